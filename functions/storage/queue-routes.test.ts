import { describe, expect, test } from "vitest";
import { OuterloopError } from "../../schemas/errors.ts";
import { createHttpQueue } from "./http-queue.ts";
import { createMemoryQueue } from "./memory-queue.ts";
import { queueRoutes } from "./queue-routes.ts";

const codeOf = async (response: Response) => {
  const { code } = (await response.json()) as { code: string };
  return [response.status, code];
};

describe("a queue over HTTP", () => {
  const setUp = () => {
    const queue = createMemoryQueue({ maxReceives: 3 });
    const routes = queueRoutes({ queue });
    const post = (path: string, body: string) => routes.request(path, { method: "POST", body });
    return { queue, routes, post };
  };

  test("a consumer can neither send nor bury nor read dead letters", async () => {
    const { post, queue } = setUp();
    await queue.send("x");
    const [message] = await queue.receive({ leaseSeconds: 30 });
    expect((await post("/send", '{"body":"x"}')).status).toBe(404);
    expect((await post("/bury", JSON.stringify({ message, reason: "mine" }))).status).toBe(404);
    expect(await queue.deadLetters()).toEqual([]);
    expect((await post("/dead-letters", "{}")).status).toBe(404);
    expect((await post("/receive", '{"leaseSeconds":30}')).status).toBe(200);
  });

  test.each([
    ["/receive", "", 400, "invalid-body"],
    ["/receive", "{", 400, "invalid-body"],
    ["/receive", "{}", 400, "invalid-body"],
    ["/receive", '{"leaseSeconds":"30"}', 400, "invalid-body"],
    ["/receive", '{"leaseSeconds":30,"max":11}', 400, "invalid-option"],
    ["/extend", '{"leaseSeconds":30}', 400, "invalid-body"],
    [
      "/extend",
      '{"message":{"id":"a","body":"","lease":"b","receives":1},"leaseSeconds":30}',
      409,
      "lease-lost",
    ],
    ["/ack", '{"message":{"id":"a","body":"","lease":5,"receives":1}}', 400, "invalid-body"],
  ])("POST %s %s answers %i %s", async (path, body, status, code) => {
    const { post } = setUp();
    expect(await codeOf(await post(path, body))).toEqual([status, code]);
  });

  // Found by the simulator: it was a fault of the server (500), which evaluators took for a refusal, and ended.
  test("a queue that is away is worth asking again", async () => {
    const away = async () => {
      throw new OuterloopError("queue-unreachable", "no answer");
    };
    const routes = queueRoutes({ queue: { ...createMemoryQueue({ maxReceives: 3 }), receive: away } });
    const answer = await routes.request("/receive", { method: "POST", body: '{"leaseSeconds":30}' });
    expect(await codeOf(answer)).toEqual([503, "queue-unreachable"]);
  });

  test("a body that is too large is refused before it is read", async () => {
    const { post } = setUp();
    expect(await codeOf(await post("/ack", "x".repeat(3 * 1024 * 1024)))).toEqual([413, "body-too-large"]);
  });

  test("the client passes on a typed refusal, and types all other failures", async () => {
    const clientOf = (answer: () => Promise<Response>) =>
      createHttpQueue({ baseUrl: "http://api.test", fetch: answer });
    const receive = (answer: () => Promise<Response>) => clientOf(answer).receive({ leaseSeconds: 30 });
    const refused = Response.json({ code: "not-an-evaluator", message: "ask the operator" }, { status: 403 });
    await expect(receive(async () => refused)).rejects.toMatchObject({ code: "not-an-evaluator" });
    await expect(receive(() => Promise.reject(new Error("socket hang up")))).rejects.toMatchObject({
      code: "service-unreachable",
    });
    const unsigned = new OuterloopError("unsigned-request", "this client has no key");
    await expect(receive(() => Promise.reject(unsigned))).rejects.toBe(unsigned);
    await expect(receive(async () => new Response("<html>", { status: 502 }))).rejects.toMatchObject({
      code: "unexpected-answer",
    });
    await expect(receive(async () => new Response("<html>"))).rejects.toMatchObject({
      code: "unexpected-answer",
    });
  });
});
