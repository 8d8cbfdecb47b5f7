import { beforeEach, describe, expect, it } from "vitest";
import { MAX_RECEIVES, OuterloopError } from "../../schemas/index.ts";
import { createManualClock } from "../storage/contract-harness.ts";
import { createMemoryQueue } from "../storage/memory-queue.ts";
import type { Message, Queue } from "../storage/queue.ts";
import { settleFailures } from "./failures.ts";

let queue: Queue;
let logged: string[];
beforeEach(() => {
  queue = createMemoryQueue({ maxReceives: MAX_RECEIVES, ...createManualClock() });
  logged = [];
});
const log = (level: string, message: string) => void logged.push(`${level} ${message}`);

/** A message that has been received so many times. */
async function received(body: string, times = 1): Promise<Message> {
  await queue.send(body);
  for (;;) {
    const [message] = await queue.receive({ leaseSeconds: 60 });
    if (message === undefined) throw new Error("the message is gone");
    if (message.receives === times) return message;
    await queue.extend(message, 0);
  }
}

describe("a message that failed", () => {
  it("comes again, as long as another try may help", async () => {
    const message = await received("work");
    const error = new OuterloopError("store-unreachable", "no answer");
    expect(await settleFailures(queue, [{ message, error }], log)).toEqual([message]);
    expect(await queue.deadLetters()).toEqual([]);
    expect(logged).toEqual([expect.stringMatching(/^warning work failed: .*no answer/)]);
  });

  it.each(["malformed-message", "no-such-run", "invalid-key"])(
    "is buried at once with its reason when it is poison: %s",
    async (code) => {
      const message = await received("poison");
      const error = new OuterloopError(code, "expected something else");
      expect(await settleFailures(queue, [{ message, error }], log)).toEqual([]);
      expect(await queue.deadLetters()).toMatchObject([
        { body: "poison", reason: expect.stringContaining("expected something else") },
      ]);
      expect(await queue.receive({ leaseSeconds: 1 })).toEqual([]);
    },
  );

  it("is buried with its reason at its last try, whatever the reason", async () => {
    const message = await received("work", MAX_RECEIVES);
    expect(await settleFailures(queue, [{ message, error: new TypeError("x of null") }], log)).toEqual([]);
    expect((await queue.deadLetters())[0]?.reason).toMatch(/x of null/);
  });

  it("is left to the queue's own limit when it cannot be buried", async () => {
    const message = await received("poison");
    const broken: Queue = { ...queue, bury: () => Promise.reject(new Error("queue away")) };
    const error = new OuterloopError("malformed-message", "expected JSON");
    expect(await settleFailures(broken, [{ message, error }], log)).toEqual([message]);
    expect(logged.at(-1)).toMatch(/could not be buried: .*queue away/);
  });
});
