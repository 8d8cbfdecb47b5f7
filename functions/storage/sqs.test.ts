import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Message, Queue } from "./queue.ts";
import { createSqsQueue } from "./sqs.ts";
import {
  type Answer,
  answer,
  reset,
  type ScriptedServer,
  sqsError,
  startScriptedServer,
} from "./testing/scripted-server.ts";

const QUEUE = "http://queue.test/000000000000/jobs";
const DEAD = "http://queue.test/000000000000/jobs-dead";

let server: ScriptedServer;
let queue: Queue;

beforeEach(async () => {
  server = await startScriptedServer();
  let nowMs = 0;
  queue = createSqsQueue({
    queueUrl: QUEUE,
    deadLetterUrl: DEAD,
    endpoint: server.endpoint,
    region: "us-east-1",
    credentials: { accessKeyId: "id", secretAccessKey: "secret" },
    retryTimes: {
      now: () => nowMs,
      random: () => 1,
      sleep: async (ms) => {
        nowMs += ms;
      },
    },
  });
});
afterEach(() => server.close());

const ok = (body: unknown = {}): Answer =>
  answer(200, JSON.stringify(body), { "content-type": "application/x-amz-json-1.0" });
/** The SDK compares what it sent with its MD5. */
const accepted: Answer = (request, response) => {
  const { MessageBody } = JSON.parse(request.body.toString());
  ok({ MessageId: "m", MD5OfMessageBody: md5(MessageBody) })(request, response);
};
const md5 = (text: string) => createHash("md5").update(text).digest("hex");
const operations = () =>
  server.received.map(({ headers, body }) => ({
    operation: String(headers["x-amz-target"]).replace("AmazonSQS.", ""),
    ...JSON.parse(body.toString()),
  }));
const message: Message = { id: "m-1", body: "{}", lease: "handle", receives: 3 };

/** A message as SQS gives it. */
const received = (id: string, sentMs: number, attributes: Record<string, string> = {}) => ({
  MessageId: id,
  ReceiptHandle: `handle of ${id}`,
  Body: `body of ${id}`,
  MD5OfBody: md5(`body of ${id}`),
  Attributes: { ApproximateReceiveCount: "4", SentTimestamp: String(sentMs) },
  MessageAttributes: Object.fromEntries(
    Object.entries(attributes).map(([name, StringValue]) => [name, { DataType: "String", StringValue }]),
  ),
});

describe("requests", () => {
  test("fractions of seconds are rounded up: SQS knows none", async () => {
    server.script(accepted, ok(), ok());
    await queue.send("{}", { delaySeconds: 0.2 });
    await queue.receive({ leaseSeconds: 1.5, waitSeconds: 0 });
    await queue.extend(message, 2.001);
    expect(operations()).toMatchObject([
      { operation: "SendMessage", QueueUrl: QUEUE, DelaySeconds: 1 },
      { operation: "ReceiveMessage", VisibilityTimeout: 2, WaitTimeSeconds: 0, MaxNumberOfMessages: 1 },
      { operation: "ChangeMessageVisibility", ReceiptHandle: "handle", VisibilityTimeout: 3 },
    ]);
  });

  test("a broken connection is tried again", async () => {
    server.script(reset, reset, accepted);
    await queue.send("{}");
    expect(server.received).toHaveLength(3);
  });
});

describe("burying", () => {
  test("proves the lease, sends a copy with the reason, then deletes", async () => {
    server.script(ok(), accepted, ok());
    await queue.bury(message, "no such run");
    expect(operations()).toMatchObject([
      { operation: "ChangeMessageVisibility", QueueUrl: QUEUE, ReceiptHandle: "handle" },
      {
        operation: "SendMessage",
        QueueUrl: DEAD,
        MessageBody: "{}",
        MessageAttributes: {
          reason: { StringValue: "no such run" },
          id: { StringValue: "m-1" },
          receives: { StringValue: "3" },
        },
      },
      { operation: "DeleteMessage", QueueUrl: QUEUE, ReceiptHandle: "handle" },
    ]);
  });

  test("with a lost lease sends nothing", async () => {
    server.script(sqsError(400, "MessageNotInflight"));
    await expect(queue.bury(message, "late")).rejects.toMatchObject({ code: "lease-lost" });
    expect(server.received).toHaveLength(1);
  });

  test("deletes nothing when the copy was not taken", async () => {
    server.script(ok(), sqsError(400, "QueueDoesNotExist"));
    await expect(queue.bury(message, "x")).rejects.toMatchObject({
      code: "no-such-queue",
      details: { about: DEAD },
    });
    expect(operations().map(({ operation }) => operation)).toEqual([
      "ChangeMessageVisibility",
      "SendMessage",
    ]);
  });
});

describe("dead letters", () => {
  test("are read until there are no more, shown again, without copies, the oldest first", async () => {
    const buried = { reason: "why", id: "original", receives: "2" };
    server.script(
      ok({ Messages: [received("b", 2000), received("copy-1", 1500, buried)] }),
      ok({ Messages: [received("a", 1000), received("copy-2", 3000, buried)] }),
      ok({}),
      ok({ Successful: [], Failed: [] }),
    );
    expect(await queue.deadLetters(20)).toEqual([
      { id: "a", body: "body of a", lease: "", receives: 4 },
      { id: "original", body: "body of copy-1", lease: "", receives: 2, reason: "why" },
      { id: "b", body: "body of b", lease: "", receives: 4 },
    ]);
    const [first, second, , shown] = operations();
    expect([first, second]).toMatchObject([
      { QueueUrl: DEAD, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 },
      { QueueUrl: DEAD, MaxNumberOfMessages: 10, WaitTimeSeconds: 0 },
    ]);
    expect(shown).toMatchObject({ operation: "ChangeMessageVisibilityBatch", QueueUrl: DEAD });
    expect(shown.Entries.map((entry: { VisibilityTimeout: number }) => entry.VisibilityTimeout)).toEqual([
      0, 0, 0, 0,
    ]);
  });

  test("are shown again even when the reading failed", async () => {
    server.script(
      ok({ Messages: [received("a", 1000)] }),
      sqsError(403, "AccessDeniedException"),
      ok({ Successful: [], Failed: [] }),
    );
    await expect(queue.deadLetters(20)).rejects.toMatchObject({ code: "queue-denied" });
    expect(operations().at(-1)).toMatchObject({ operation: "ChangeMessageVisibilityBatch" });
  });
});

describe("dead letters that cannot be shown again at once", () => {
  test("are read all the same: they show themselves after half a minute", async () => {
    server.script(ok({ Messages: [received("a", 1000)] }), sqsError(403, "AccessDeniedException"));
    expect((await queue.deadLetters(1)).map(({ id }) => id)).toEqual(["a"]);
  });

  test("do not hide why the reading failed", async () => {
    server.script(
      ok({ Messages: [received("a", 1000)] }),
      sqsError(400, "QueueDoesNotExist"),
      sqsError(403, "AccessDeniedException"),
    );
    await expect(queue.deadLetters(20)).rejects.toMatchObject({ code: "no-such-queue" });
  });
});

describe("failures are typed", () => {
  test.each([
    [400, "QueueDoesNotExist", "no-such-queue"],
    [403, "InvalidClientTokenId", "queue-credentials"],
    [400, "UnrecognizedClientException", "queue-credentials"],
    [403, "AccessDeniedException", "queue-denied"],
    [400, "KmsDisabled", "queue-encryption"],
    [400, "InvalidMessageContents", "queue-refused"],
    [400, "InvalidParameterValue", "queue-refused"],
  ])("%i %s to a send is %s, without a repetition", async (status, code, expected) => {
    server.script(sqsError(status, code));
    await expect(queue.send("{}")).rejects.toMatchObject({
      code: expected,
      details: { reason: code, status },
    });
    expect(server.received).toHaveLength(1);
  });

  test.each([
    [400, "ThrottlingException"],
    [400, "RequestThrottled"],
    [400, "KmsThrottled"],
    [403, "OverLimit"],
    [429, "TooManyRequests"],
  ])("%i %s is an unreachable queue, however often it was repeated", async (status, code) => {
    server.script(sqsError(status, code));
    await expect(queue.send("{}")).rejects.toMatchObject({
      code: "queue-unreachable",
      details: { reason: code },
    });
  });

  test.each([
    [404, "<html>Not here</html>"],
    [400, ""],
    [403, '{"message":"Forbidden"}'],
    [200, "<html>Sign in</html>"],
  ])("so is a proxy's %i: %s", async (status, body) => {
    server.script(answer(status, body));
    await expect(queue.send("{}")).rejects.toMatchObject({ code: "queue-unreachable", details: { status } });
  });

  test("5xx until the deadline is an unreachable queue", async () => {
    server.script(sqsError(503, "ServiceUnavailable"));
    for (const call of [
      () => queue.send("{}"),
      () => queue.receive({ leaseSeconds: 1 }),
      () => queue.extend(message, 1),
      () => queue.ack(message),
      () => queue.deadLetters(),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: "queue-unreachable" });
    }
  });

  test.each(["ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue"])(
    "%s to an extension is a lost lease, and to an ack no matter",
    async (code) => {
      server.script(sqsError(400, code));
      await expect(queue.extend(message, 30)).rejects.toMatchObject({ code: "lease-lost" });
      await queue.ack(message);
    },
  );
});
