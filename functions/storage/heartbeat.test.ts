import { expect, test } from "vitest";
import { OuterloopError } from "../../schemas/errors.ts";
import { createManualClock } from "./contract-harness.ts";
import { keepLease } from "./heartbeat.ts";
import { createMemoryQueue } from "./memory-queue.ts";
import type { Message, Queue } from "./queue.ts";

const LEASE_SECONDS = 30;

/** A leased message and work on it that lasts until it is told to end. */
async function setUp(change: (queue: Queue) => Partial<Queue> = () => ({})) {
  const clock = createManualClock();
  const queue = createMemoryQueue({ maxReceives: 3, ...clock });
  const extensions: number[] = [];
  const startMs = clock.now();
  const watched: Queue = {
    ...queue,
    async extend(message, leaseSeconds) {
      extensions.push((clock.now() - startMs) / 1000);
      await queue.extend(message, leaseSeconds);
    },
    ...change(queue),
  };
  await queue.send("work");
  const [message] = (await queue.receive({ leaseSeconds: LEASE_SECONDS })) as [Message];
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let signal: AbortSignal | undefined;
  const kept = keepLease(
    watched,
    message,
    LEASE_SECONDS,
    (given) => {
      signal = given;
      return promise;
    },
    { timer: clock.timer },
  );
  return {
    ...clock,
    queue,
    message,
    kept,
    finish: resolve,
    fail: reject,
    extensions,
    signal: () => signal,
    /** Time as it passes for who has timers: in small steps. */
    pass: async (seconds: number) => {
      for (let step = 0; step < seconds; step += 1) await clock.passTime(1000);
    },
  };
}

test("while the work goes on nobody else gets the message, and it is extended at every third", async () => {
  const { queue, pass, finish, kept, extensions, signal } = await setUp();
  for (let minute = 0; minute < 5; minute += 1) {
    await pass(60);
    expect(await queue.receive({ leaseSeconds: 1 })).toEqual([]);
  }
  expect(signal()?.aborted).toBe(false);
  finish("done");
  expect(await kept).toBe("done");
  expect(extensions.slice(0, 4)).toEqual([10, 20, 30, 40]);
  expect(extensions).toHaveLength(30);
});

test("work that has ended is extended no more", async () => {
  const { pass, finish, kept, extensions, queue, message } = await setUp();
  await pass(15);
  finish("done");
  await kept;
  await queue.ack(message);
  await pass(300);
  expect(extensions).toEqual([10]);
});

test("work that failed lets the message go when its lease ends", async () => {
  const { queue, pass, fail, kept } = await setUp();
  await pass(15);
  fail(new Error("broken"));
  await expect(kept).rejects.toThrow("broken");
  await pass(30);
  expect(await queue.receive({ leaseSeconds: 1 })).toMatchObject([{ body: "work", receives: 2 }]);
});

test("the work is told when the lease is lost, once, and extending ends", async () => {
  const { queue, pass, finish, kept, extensions, signal, message } = await setUp();
  await queue.ack(message);
  await pass(11);
  expect(signal()?.aborted).toBe(true);
  expect(signal()?.reason).toMatchObject({ code: "lease-lost" });
  await pass(100);
  expect(extensions).toEqual([10]);
  finish("too late, but done");
  expect(await kept).toBe("too late, but done");
});

test("a queue that does not answer for a while is asked again", async () => {
  let failures = 2;
  const { pass, signal, finish, kept } = await setUp((queue) => ({
    async extend(message, leaseSeconds) {
      failures -= 1;
      if (failures >= 0) throw new OuterloopError("queue-unreachable", "away");
      await queue.extend(message, leaseSeconds);
    },
  }));
  await pass(29);
  expect(failures).toBe(0);
  expect(signal()?.aborted).toBe(false);
  finish("done");
  await kept;
});

test("a queue that never answers means a lost lease when the lease must have ended", async () => {
  const { pass, signal, finish, kept } = await setUp(() => ({
    extend: () => Promise.reject(new OuterloopError("queue-unreachable", "away")),
  }));
  await pass(29);
  expect(signal()?.aborted).toBe(false);
  await pass(1);
  expect(signal()?.reason).toMatchObject({ code: "lease-lost" });
  finish("done");
  await kept;
});

test("an extension on its way arrives before the work counts as ended", async () => {
  const arrived = Promise.withResolvers<void>();
  const { pass, finish, kept } = await setUp(() => ({ extend: () => arrived.promise }));
  await pass(11);
  finish("done");
  let ended = false;
  kept.then(() => {
    ended = true;
  });
  await pass(2);
  expect(ended).toBe(false);
  arrived.resolve();
  expect(await kept).toBe("done");
});

test("so does one whose answer hangs", async () => {
  const { pass, signal, finish, kept } = await setUp(() => ({ extend: () => new Promise(() => {}) }));
  await pass(30);
  expect(signal()?.reason).toMatchObject({ code: "lease-lost" });
  finish("done");
  await kept;
});
