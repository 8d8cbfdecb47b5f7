import { expect, test } from "vitest";
import { createRetryStrategy } from "./retry-strategy.ts";

function setUp(random = 1) {
  const waitsMs: number[] = [];
  let nowMs = 0;
  const strategy = createRetryStrategy({
    retrySeconds: 20,
    now: () => nowMs,
    random: () => random,
    sleep: async (ms) => {
      waitsMs.push(ms);
      nowMs += ms;
    },
  });
  /** Refuses every attempt in the same way, for as long as there are attempts. */
  const exhaust = async (failure: Parameters<typeof strategy.refreshRetryTokenForRetry>[1]) => {
    let token = await strategy.acquireInitialRetryToken("");
    for (;;) {
      try {
        token = await strategy.refreshRetryTokenForRetry(token, failure);
      } catch {
        return waitsMs;
      }
    }
  };
  return { exhaust, passTime: (ms: number) => (nowMs += ms), strategy };
}
const errorNamed = (name: string) => Object.assign(new Error(), { name });

test("a broken connection is tried again soon, then more and more slowly, until the deadline", async () => {
  const waitsMs = await setUp().exhaust({ errorType: "TRANSIENT" });
  expect(waitsMs.slice(0, 7)).toEqual([50, 100, 200, 400, 800, 1600, 2000]);
  expect(waitsMs.reduce((sum, ms) => sum + ms, 0)).toBe(19_150);
});

test("the wait is drawn, from nothing to its upper end", async () => {
  expect((await setUp(0.5).exhaust({ errorType: "THROTTLING" })).slice(0, 3)).toEqual([250, 500, 1000]);
});

test("a service that says how long to wait is obeyed, but for no longer than our own longest wait", async () => {
  // A MinIO that is starting says `Retry-After: 60` with every 503.
  const failure = { errorType: "THROTTLING", retryAfterHint: new Date(60_000) } as const;
  expect((await setUp(0.5).exhaust(failure)).slice(0, 3)).toEqual([5000, 5000, 5000]);
  const soon = { errorType: "THROTTLING", retryAfterHint: new Date(1_500) } as const;
  expect((await setUp(0.5).exhaust(soon))[0]).toBe(1500);
});

test("time spent in the attempts counts", async () => {
  const { strategy, passTime } = setUp();
  const token = await strategy.acquireInitialRetryToken("");
  passTime(20_001);
  await expect(strategy.refreshRetryTokenForRetry(token, { errorType: "TRANSIENT" })).rejects.toThrow(
    /deadline/,
  );
});

test.each([
  ["ConditionalRequestConflict", true],
  ["OperationAborted", true],
  ["PreconditionFailed", false],
  ["AccessDenied", false],
])("the refusal %s is repeated: %s", async (name, repeated) => {
  const waitsMs = await setUp().exhaust({ errorType: "CLIENT_ERROR", error: errorNamed(name) as never });
  expect(waitsMs.length > 0).toBe(repeated);
});

test("a fault of the server that is no overload is not repeated: a full disk stays full", async () => {
  expect(await setUp().exhaust({ errorType: "SERVER_ERROR" })).toEqual([]);
});

test.each([404, 412, 416])(
  "%i is an answer, though the SDK has just corrected its clock by it",
  async (status) => {
    const error = Object.assign(new Error(), {
      $metadata: { httpStatusCode: status, clockSkewCorrected: true as const },
    });
    expect(await setUp().exhaust({ errorType: "TRANSIENT", error: error as never })).toEqual([]);
  },
);
