/**
 * The client side of `queue-routes.ts`: a queue behind an API.
 *
 * @module
 */
import type { z } from "zod";
import { isOuterloopError, OuterloopError } from "../../schemas/errors.ts";
import { errorFrom, parseJson } from "./http-errors.ts";
import type { Message, Queue } from "./queue.ts";
import { checkLease, checkReason, checkReceive, checkSend } from "./queue-checks.ts";
import { type QueueOperation, queueBodies } from "./queue-routes.ts";

/** `fetch`, or something that signs the request first. Its typed errors are passed on. */
export type Fetch = (
  url: string,
  init: { method: "POST"; headers: Record<string, string>; body: string },
) => Promise<Response>;

export interface HttpQueueOptions {
  /** Where the routes are mounted, without a slash at the end: `https://example.org/v1/jobs`. */
  baseUrl: string;
  fetch: Fetch;
}

/**
 * A queue behind an API. Errors are those of the port, those that the API answers (by their `code`), and
 * `service-unreachable` (no answer came; repeat it: a receive whose answer was lost comes again when its lease ends)
 * and `unexpected-answer`. `send`, `bury` and
 * `deadLetters` work only where the API exposes them.
 */
export function createHttpQueue({ baseUrl, fetch }: HttpQueueOptions): Queue {
  const post = async (operation: QueueOperation, body: unknown): Promise<string> => {
    const url = `${baseUrl}/${operation}`;
    let response: Response;
    try {
      const headers = { "content-type": "application/json" };
      response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
    } catch (error) {
      // It knows better than we do what went wrong.
      if (isOuterloopError(error)) throw error;
      throw new OuterloopError("service-unreachable", `no answer from ${url}: try again`, { url }, error);
    }
    if (!response.ok) throw await errorFrom(response);
    return response.text();
  };

  return {
    async send(body, options) {
      checkSend(body, options);
      await post("send", { body, ...options });
    },
    async receive(options) {
      checkReceive(options);
      return messagesOf(await post("receive", options));
    },
    async extend(message, leaseSeconds) {
      checkLease(leaseSeconds);
      await post("extend", { message: proofOf(message), leaseSeconds });
    },
    async ack(message) {
      await post("ack", { message: proofOf(message) });
    },
    async bury(message, reason) {
      // With its body: a queue at a service has to send it again.
      await post("bury", { message, reason: checkReason(reason) });
    },
    async deadLetters(limit) {
      return messagesOf(await post("dead-letters", limit === undefined ? {} : { limit }));
    },
  };
}

/** The server knows the body; sending it back would only cost. */
function proofOf(message: Message): Message {
  return { ...message, body: "" };
}

function messagesOf(text: string): Message[] {
  const answer: z.ZodSafeParseResult<{ messages: Message[] }> = queueBodies.messages.safeParse(
    parseJson(text),
  );
  if (answer.success) return answer.data.messages;
  throw new OuterloopError(
    "unexpected-answer",
    `expected messages, got: ${text.slice(0, 200)}`,
    {},
    answer.error,
  );
}
