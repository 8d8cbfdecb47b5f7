/**
 * Requests of a client wait for one of its connections here, before any clock runs for them. In the SDK's pool they would
 * wait too, but there the wait counts as a connection that does not come about, and as time of the retries.
 *
 * @module
 */
import { IncomingMessage } from "node:http";
import type { S3Client } from "@aws-sdk/client-s3";
import type { SQSClient } from "@aws-sdk/client-sqs";

/** The size of the SDK's pool. */
const SLOTS = 50;

type Release = () => void;

/** Lets as many requests of a client run as it has connections; the others wait their turn, however long it takes. */
export function limitRequests<Client extends S3Client | SQSClient>(client: Client): Client {
  const take = createSlots(SLOTS);
  // The two differ in the types of what passes through, which is nothing to us.
  const stack = client.middlewareStack as S3Client["middlewareStack"];
  stack.add(
    (next) => async (args) => {
      const release = await take();
      try {
        const result = await next(args);
        const { Body } = result.output as { Body?: unknown };
        if (Body instanceof IncomingMessage) releaseAfter(Body, release);
        else release();
        return result;
      } catch (error) {
        release();
        throw error;
      }
    },
    // Around the retries.
    { step: "initialize", name: "waitForSlot" },
  );
  return client;
}

/** A body keeps its connection until it is read to its end or closed, or the connection gives up on who does neither. */
function releaseAfter(body: IncomingMessage, release: Release): void {
  const { socket } = body;
  const done = () => {
    body.off("close", done);
    socket.off("close", done);
    release();
  };
  body.once("close", done);
  socket.once("close", done);
}

/** First come, first served. */
function createSlots(count: number): () => Promise<Release> {
  let free = count;
  const waiting: Release[] = [];
  const release = () => {
    const next = waiting.shift();
    if (next === undefined) free += 1;
    else next();
  };
  return async () => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    return release;
  };
}
