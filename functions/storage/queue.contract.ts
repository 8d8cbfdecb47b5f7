/**
 * The contract of every {@link Queue}, written to what a standard SQS queue does: at least once and in no order.
 *
 * @module
 */
import { describe, expect } from "vitest";
import {
  type ContractOptions,
  type PassTime,
  registerProperties,
  waitUntil,
  whileTimePasses,
} from "./contract-harness.ts";
import type { Message, Queue } from "./queue.ts";

/** One empty queue, whose messages die after `maxReceives` = 3. */
export interface QueueHarness {
  queue: Queue;
  passTime: PassTime;
  close: () => Promise<void>;
}

/** Called with the redrive limit once for every test. */
export type QueueFactory = (options: { maxReceives: number }) => Promise<QueueHarness>;

const maxReceives = 3;

/** What a test is given: a queue of its own, and what most of them do with it. */
interface Scene extends QueueHarness {
  /** Receives until a message comes. */
  next: (leaseSeconds?: number) => Promise<Message>;
  expectNothing: () => Promise<void>;
  /** Dead letters, once there are as many. */
  letters: (count: number) => Promise<Message[]>;
}

/** Registers the suite. */
export function describeQueueContract(
  name: string,
  factory: QueueFactory,
  options: ContractOptions = {},
): void {
  describe(`queue contract: ${name}`, () =>
    registerProperties("queue", name, options, (property) =>
      register((title, run) =>
        property(title, async () => {
          const harness = await factory({ maxReceives });
          try {
            await run(sceneOf(harness));
          } finally {
            await harness.close();
          }
        }),
      ),
    ));
}

function sceneOf(harness: QueueHarness): Scene {
  const { queue, passTime } = harness;
  return {
    ...harness,
    async next(leaseSeconds = 30) {
      const got: Message[] = [];
      await waitUntil(passTime, "a message came", async () => {
        got.push(...(await queue.receive({ leaseSeconds })));
        return got.length > 0;
      });
      const [message] = got;
      if (message === undefined) throw new Error("unreachable");
      return message;
    },
    async expectNothing() {
      expect(await queue.receive({ max: 10, leaseSeconds: 30 })).toEqual([]);
    },
    async letters(count) {
      const letters = new Map<string, Message>();
      await waitUntil(passTime, "the letters are there", async () => {
        for (const letter of await queue.deadLetters()) letters.set(letter.id, letter);
        return letters.size >= count;
      });
      return [...letters.values()];
    },
  };
}

function register(test: (title: string, run: (scene: Scene) => Promise<void>) => void): void {
  test("an empty queue gives nothing", ({ expectNothing }) => expectNothing());

  test("a message is leased to one, as it was sent, and never comes again after its ack", async ({
    queue,
    next,
    expectNothing,
    passTime,
  }) => {
    await queue.send('{"job":"é 1"}');
    const message = await next(2);
    expect(message).toMatchObject({ body: '{"job":"é 1"}', receives: 1 });
    await expectNothing();
    await queue.ack(message);
    await passTime(3000);
    await expectNothing();
  });

  test("all messages come, in whatever order, at least once each", async ({ queue, passTime }) => {
    const sent = Array.from({ length: 25 }, (_, index) => `message ${index}`);
    await Promise.all(sent.map((body) => queue.send(body)));
    const seen = new Set<string>();
    await waitUntil(passTime, "all messages came", async () => {
      const batch = await queue.receive({ max: 10, leaseSeconds: 30 });
      expect(batch.length).toBeLessThanOrEqual(10);
      for (const message of batch) {
        seen.add(message.body);
        await queue.ack(message);
      }
      return seen.size === sent.length;
    });
    expect([...seen].sort()).toEqual([...sent].sort());
  });

  test("receivers at the same time share the messages", async ({ queue, passTime }) => {
    await Promise.all(Array.from({ length: 8 }, (_, index) => queue.send(`${index}`)));
    const got: Message[] = [];
    await waitUntil(passTime, "all messages came", async () => {
      const batches = await Promise.all(
        Array.from({ length: 4 }, () => queue.receive({ max: 4, leaseSeconds: 60 })),
      );
      got.push(...batches.flat());
      return got.length >= 8;
    });
    expect(new Set(got.map(({ lease }) => lease)).size).toBe(got.length);
    expect(new Set(got.map(({ body }) => body)).size).toBe(8);
  });

  test("a delayed message comes when its time has come", async ({ queue, next, expectNothing, passTime }) => {
    await queue.send("later", { delaySeconds: 2 });
    await expectNothing();
    await passTime(2500);
    expect((await next()).body).toBe("later");
  });

  test("when a lease ends the message comes again, counted, with another lease", async ({
    queue,
    next,
    passTime,
  }) => {
    await queue.send("work");
    const first = await next(2);
    await passTime(2500);
    const second = await next();
    expect(second).toMatchObject({ id: first.id, body: "work", receives: 2 });
    expect(second.lease).not.toBe(first.lease);
  });

  test("a lease that is extended lasts", async ({ queue, next, expectNothing, passTime }) => {
    await queue.send("slow work");
    const message = await next(2);
    await queue.extend(message, 30);
    await passTime(2500);
    await expectNothing();
    await queue.ack(message);
  });

  test("a lease extended by nothing gives the message back at once", async ({ queue, next }) => {
    await queue.send("not for me");
    await queue.extend(await next(), 0);
    expect(await next()).toMatchObject({ body: "not for me", receives: 2 });
  });

  test("a lease of a message that somebody else finished cannot be extended", async ({
    queue,
    next,
    passTime,
  }) => {
    await queue.send("work");
    const slow = await next(2);
    await passTime(2500);
    await queue.ack(await next());
    await expect(queue.extend(slow, 30)).rejects.toMatchObject({ code: "lease-lost" });
  });

  test("an ack is idempotent", async ({ queue, next, expectNothing }) => {
    await queue.send("work");
    const message = await next();
    await queue.ack(message);
    await queue.ack(message);
    await expectNothing();
  });

  // SQS may count such an ack or not: the work was done, either way.
  test("an ack with a lost lease is harmless", async ({ queue, next, expectNothing, passTime }) => {
    await queue.send("work");
    const slow = await next(2);
    await passTime(2500);
    const current = await next();
    await queue.ack(slow);
    await queue.ack(current);
    await expectNothing();
  });

  test("a receiver that waits is woken by a send", async ({ queue, passTime }) => {
    const pending = queue.receive({ leaseSeconds: 30, waitSeconds: 20 });
    await queue.send("at last");
    const [message] = await whileTimePasses(passTime, pending);
    expect(message?.body).toBe("at last");
  });

  test("a receiver that waits is woken by the end of a delay", async ({ queue, passTime }) => {
    await queue.send("soon", { delaySeconds: 1 });
    const pending = queue.receive({ leaseSeconds: 30, waitSeconds: 20 });
    const [message] = await whileTimePasses(passTime, pending);
    expect(message?.body).toBe("soon");
  });

  test("a receiver waits no longer than it asked for", async ({ queue, passTime }) => {
    const pending = queue.receive({ leaseSeconds: 30, waitSeconds: 1 });
    expect(await whileTimePasses(passTime, pending)).toEqual([]);
  });

  test("a message that is received too often without an ack becomes a dead letter", async ({
    queue,
    next,
    expectNothing,
    letters,
  }) => {
    await queue.send("poison");
    for (let receives = 1; receives <= maxReceives; receives += 1) {
      const message = await next();
      expect(message.receives).toBe(receives);
      await queue.extend(message, 0);
    }
    await expectNothing();
    const [letter] = await letters(1);
    expect(letter).toMatchObject({ body: "poison", lease: "" });
    expect(letter?.reason).toBeUndefined();
  });

  test("dead letters carry their body, at most as many as asked for", async ({
    queue,
    next,
    expectNothing,
    letters,
  }) => {
    expect(await queue.deadLetters()).toEqual([]);
    for (const body of ["one", "two"]) {
      await queue.send(body);
      for (let receives = 0; receives < maxReceives; receives += 1) await queue.extend(await next(), 0);
      await expectNothing();
    }
    expect((await letters(2)).map(({ body }) => body).sort()).toEqual(["one", "two"]);
    // Reading takes nothing away, and hides nothing from the next reader.
    expect(await letters(2)).toHaveLength(2);
    expect(await queue.deadLetters(1)).toHaveLength(1);
  });

  test("a message that is buried is a dead letter at once, with its reason, and never comes again", async ({
    queue,
    next,
    expectNothing,
    letters,
    passTime,
  }) => {
    await queue.send('{"job":"é 1"}');
    const message = await next(2);
    await queue.bury(message, "no such run:\u0000\nasked for r-1");
    await passTime(2500);
    await expectNothing();
    // One line: control characters are no text everywhere.
    const reason = "no such run: asked for r-1";
    expect(await letters(1)).toEqual([
      { id: message.id, body: '{"job":"é 1"}', lease: "", receives: 1, reason },
    ]);
  });

  test("who lost the lease cannot bury the message of the one who has it now", async ({
    queue,
    next,
    passTime,
  }) => {
    await queue.send("work");
    const slow = await next(2);
    await passTime(2500);
    await queue.ack(await next());
    await expect(queue.bury(slow, "too slow")).rejects.toMatchObject({ code: "lease-lost" });
    expect(await queue.deadLetters()).toEqual([]);
  });

  test("a message is buried for a reason", async ({ queue, next }) => {
    await queue.send("work");
    const message = await next();
    await expect(queue.bury(message, " ")).rejects.toMatchObject({ code: "invalid-option" });
    await queue.ack(message);
  });

  test("256 KiB of text is a message, a byte more is a typed error", async ({ queue, next }) => {
    const body = "x".repeat(256 * 1024);
    await queue.send(body);
    expect((await next()).body).toHaveLength(body.length);
    await expect(queue.send(`${body}x`)).rejects.toMatchObject({ code: "message-too-large" });
    await expect(queue.send("é".repeat(128 * 1024 + 1))).rejects.toMatchObject({
      code: "message-too-large",
    });
  });

  test("numbers outside SQS's limits are typed errors", async ({ queue }) => {
    const calls = [
      queue.receive({ max: 11, leaseSeconds: 30 }),
      queue.receive({ max: 1.5, leaseSeconds: 30 }),
      queue.receive({ leaseSeconds: 30, waitSeconds: 21 }),
      queue.receive({ leaseSeconds: -1 }),
      queue.receive({ leaseSeconds: Number.NaN }),
      queue.send("x", { delaySeconds: 901 }),
    ];
    for (const call of await Promise.allSettled(calls)) {
      expect(call).toMatchObject({ status: "rejected", reason: { code: "invalid-option" } });
    }
  });
}
