import { describe, expect, test } from "vitest";
import { OuterloopError } from "../../schemas/errors.ts";
import { createMemoryQueue } from "./memory-queue.ts";
import { NOTIFICATIONS_PATH, notificationRoutes } from "./notification-routes.ts";
import type { Queue } from "./queue.ts";

const token = "a token of the test suite";
const notification = (key: string) =>
  JSON.stringify({ Records: [{ eventName: "s3:ObjectCreated:Put", s3: { object: { key } } }] });

function setUp(queue: Queue = createMemoryQueue({ maxReceives: 3 })) {
  const routes = notificationRoutes({ queue, token });
  const post = async (body: string, authorization: string | null = `Bearer ${token}`) => {
    const headers = authorization === null ? {} : { authorization };
    const answer = await routes.request(NOTIFICATIONS_PATH, { method: "POST", body, headers });
    const { code } = (await answer.json()) as { code?: string };
    return [answer.status, code];
  };
  return { queue, routes, post, queued: async () => queue.receive({ max: 10, leaseSeconds: 30 }) };
}

describe("a webhook of the store", () => {
  test("is answered 200 once the notification is in the queue, as it came", async () => {
    const { post, queued } = setUp();
    const body = notification("uploads%2Fa+b");
    expect(await post(body)).toEqual([200, undefined]);
    expect((await queued()).map((message) => message.body)).toEqual([body]);
  });

  test.each([null, "", "Bearer", "Bearer wrong", `bearer ${token}`, `Bearer ${token}x`, token])(
    "with the authorization %j is refused before anything else",
    async (authorization) => {
      const { post, queued } = setUp();
      expect(await post("garbage", authorization)).toEqual([401, "wrong-token"]);
      expect(await queued()).toEqual([]);
    },
  );

  test.each(["", "garbage", "{}", "[]", '{"Records":[{}]}', '{"type":"tick","run":"r"}', notification("%")])(
    "with the body %j is refused: nothing but notifications gets into the queue",
    async (body) => {
      const { post, queued } = setUp();
      expect(await post(body)).toEqual([400, "invalid-notification"]);
      expect(await queued()).toEqual([]);
    },
  );

  test("a test event is answered, and costs no message", async () => {
    const { post, queued } = setUp();
    expect(await post('{"Event":"s3:TestEvent"}')).toEqual([200, undefined]);
    expect(await queued()).toEqual([]);
  });

  test("a body larger than a message is refused", async () => {
    const { post } = setUp();
    expect(await post("x".repeat(256 * 1024 + 1))).toEqual([413, "body-too-large"]);
  });

  test("while the queue fails the answer is 503, and the store will send it again", async () => {
    const { queue, post, queued } = setUp();
    const failures: unknown[] = [new OuterloopError("queue-unreachable", "away"), new Error("broken")];
    const flaky = setUp({
      ...queue,
      async send(body) {
        const failure = failures.shift();
        if (failure !== undefined) throw failure;
        await queue.send(body);
      },
    });
    expect(await flaky.post(notification("a"))).toEqual([503, "notification-not-queued"]);
    expect(await flaky.post(notification("a"))).toEqual([503, "notification-not-queued"]);
    expect(await queued()).toEqual([]);
    expect(await flaky.post(notification("a"))).toEqual([200, undefined]);
    expect(await queued()).toHaveLength(1);
    expect(await post(notification("b"))).toEqual([200, undefined]);
  });

  test("a token that could be guessed is refused when the routes are made", () => {
    const queue = createMemoryQueue({ maxReceives: 3 });
    expect(() => notificationRoutes({ queue, token: "short" })).toThrow(/at least 16 bytes/);
  });
});
