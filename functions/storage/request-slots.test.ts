import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ObjectStore } from "./object-store.ts";
import { createS3ObjectStore } from "./s3.ts";
import { createSqsQueue } from "./sqs.ts";
import {
  type Answer,
  answer,
  type ScriptedServer,
  s3Error,
  startScriptedServer,
} from "./testing/scripted-server.ts";

const CONNECTIONS = 50;
/** Longer than a connection may take to come about; less than those who hold one may wait for their answer. */
const LONG_MS = 9000;

let server: ScriptedServer;
let nowMs: number;
/** One failure is one too many. */
const options = (retrySeconds = 0) => ({
  retrySeconds,
  endpoint: server.endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "id", secretAccessKey: "secret" },
  retryTimes: { now: () => nowMs, random: () => 1, sleep: async () => {} },
});
let store: ObjectStore;

beforeEach(async () => {
  // The SDK's timers; those of the sockets go on.
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  server = await startScriptedServer();
  nowMs = 0;
  store = createS3ObjectStore({ ...options(), bucket: "bucket" });
});
afterEach(async () => {
  vi.useRealTimers();
  await server.close();
});

const object: Answer = answer(200, "text", { etag: '"e1"' });
/** Requests that came and wait for their answer. */
function heldBack() {
  const held: (() => void)[] = [];
  const hold: Answer = (request, response) => void held.push(() => object(request, response));
  return { held, hold };
}
const arrive = (count: number) => vi.waitFor(() => expect(server.received).toHaveLength(count));

test("who waits for a connection waits as long as it takes", async () => {
  const { held, hold } = heldBack();
  server.script(...Array.from({ length: CONNECTIONS }, () => hold), object);
  const reads = Array.from({ length: CONNECTIONS + 20 }, () => store.get("a"));
  await arrive(CONNECTIONS);
  await vi.advanceTimersByTimeAsync(LONG_MS);
  expect(server.received).toHaveLength(CONNECTIONS);
  for (const answerIt of held) answerIt();
  expect((await Promise.all(reads)).map((read) => read?.sizeBytes)).toEqual(reads.map(() => 4));
  expect(server.received).toHaveLength(reads.length);
  expect(server.connections()).toBe(CONNECTIONS);
});

test("the wait is no time of the retries", async () => {
  const patient = createS3ObjectStore({ ...options(5), bucket: "bucket" });
  const { held, hold } = heldBack();
  server.script(...Array.from({ length: CONNECTIONS }, () => hold), s3Error(503, "SlowDown"), object);
  const reads = Array.from({ length: CONNECTIONS + 1 }, () => patient.get("a"));
  await arrive(CONNECTIONS);
  nowMs += LONG_MS;
  for (const answerIt of held) answerIt();
  expect((await reads.at(-1))?.sizeBytes).toBe(4);
  await Promise.all(reads);
});

test("a stream keeps its connection until it is read to its end or left, and a failure keeps none", async () => {
  const long = answer(200, "0123456789".repeat(100_000), { etag: '"e1"' });
  server.script(...Array.from({ length: CONNECTIONS }, () => long), object);
  const streams = await Promise.all(Array.from({ length: CONNECTIONS }, () => store.stream("a")));
  const reads = [store.get("a"), store.get("a")];
  await vi.advanceTimersByTimeAsync(LONG_MS);
  expect(server.received).toHaveLength(CONNECTIONS);
  await streams[0]?.bytes.cancel();
  await reads[0];
  await new Response(streams[1]?.bytes).text();
  await reads[1];
  await Promise.all(streams.slice(2).map((stream) => stream?.bytes.cancel()));

  server.script(s3Error(403, "AccessDenied"));
  await store.get("a");
  const refused = Array.from({ length: 3 * CONNECTIONS }, () => store.get("a"));
  for (const one of await Promise.allSettled(refused)) expect(one.status).toBe("rejected");
});

test("so it is with messages", async () => {
  const queue = createSqsQueue({
    ...options(),
    queueUrl: "http://q/0/jobs",
    deadLetterUrl: "http://q/0/dead",
  });
  const held: (() => void)[] = [];
  server.script((request, response) => void held.push(() => answer(200, "{}")(request, response)));
  const message = { id: "m", body: "{}", lease: "handle", receives: 1 };
  const acks = Array.from({ length: CONNECTIONS + 20 }, () => queue.ack(message));
  await arrive(CONNECTIONS);
  await vi.advanceTimersByTimeAsync(LONG_MS);
  for (const answerIt of held.splice(0)) answerIt();
  await arrive(acks.length);
  for (const answerIt of held) answerIt();
  await Promise.all(acks);
  expect(server.received).toHaveLength(acks.length);
});
