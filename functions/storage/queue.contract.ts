/**
 * The contract of every {@link Queue}, written to what a standard SQS queue does: at least once and in no order.
 *
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type PassTime, waitUntil, whileTimePasses } from "./contract-harness.ts";
import type { Message, Queue } from "./queue.ts";

/** One empty queue, whose messages die after `maxReceives` = 3. */
export interface QueueHarness {
  queue: Queue;
  passTime: PassTime;
  close: () => Promise<void>;
}

/** Registers the suite. The factory is called with the redrive limit once for every test. */
export function describeQueueContract(
  name: string,
  factory: (options: { maxReceives: number }) => Promise<QueueHarness>,
): void {
  describe(`queue contract: ${name}`, () => {
    const maxReceives = 3;
    let harness: QueueHarness;
    let queue: Queue;
    beforeEach(async () => {
      harness = await factory({ maxReceives });
      queue = harness.queue;
    });
    afterEach(() => harness.close());

    /** Receives until a message comes. */
    const next = async (leaseSeconds = 30): Promise<Message> => {
      const got: Message[] = [];
      await waitUntil(harness.passTime, "a message came", async () => {
        got.push(...(await queue.receive({ leaseSeconds })));
        return got.length > 0;
      });
      const [message] = got;
      if (message === undefined) throw new Error("unreachable");
      return message;
    };
    const expectNothing = async () => expect(await queue.receive({ max: 10, leaseSeconds: 30 })).toEqual([]);

    test("an empty queue gives nothing", expectNothing);

    test("a message is leased to one, as it was sent, and never comes again after its ack", async () => {
      await queue.send('{"job":"é 1"}');
      const message = await next(2);
      expect(message).toMatchObject({ body: '{"job":"é 1"}', receives: 1 });
      await expectNothing();
      await queue.ack(message);
      await harness.passTime(3000);
      await expectNothing();
    });

    test("all messages come, in whatever order, at least once each", async () => {
      const sent = Array.from({ length: 25 }, (_, index) => `message ${index}`);
      await Promise.all(sent.map((body) => queue.send(body)));
      const seen = new Set<string>();
      await waitUntil(harness.passTime, "all messages came", async () => {
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

    test("receivers at the same time share the messages", async () => {
      await Promise.all(Array.from({ length: 8 }, (_, index) => queue.send(`${index}`)));
      const got: Message[] = [];
      await waitUntil(harness.passTime, "all messages came", async () => {
        const batches = await Promise.all(
          Array.from({ length: 4 }, () => queue.receive({ max: 4, leaseSeconds: 60 })),
        );
        got.push(...batches.flat());
        return got.length >= 8;
      });
      expect(new Set(got.map(({ lease }) => lease)).size).toBe(got.length);
      expect(new Set(got.map(({ body }) => body)).size).toBe(8);
    });

    test("a delayed message comes when its time has come", async () => {
      await queue.send("later", { delaySeconds: 2 });
      await expectNothing();
      await harness.passTime(2500);
      expect((await next()).body).toBe("later");
    });

    test("when a lease ends the message comes again, counted, with another lease", async () => {
      await queue.send("work");
      const first = await next(2);
      await harness.passTime(2500);
      const second = await next();
      expect(second).toMatchObject({ id: first.id, body: "work", receives: 2 });
      expect(second.lease).not.toBe(first.lease);
    });

    test("a lease that is extended lasts", async () => {
      await queue.send("slow work");
      const message = await next(2);
      await queue.extend(message, 30);
      await harness.passTime(2500);
      await expectNothing();
      await queue.ack(message);
    });

    test("a lease extended by nothing gives the message back at once", async () => {
      await queue.send("not for me");
      await queue.extend(await next(), 0);
      expect(await next()).toMatchObject({ body: "not for me", receives: 2 });
    });

    test("a lease of a message that somebody else finished cannot be extended", async () => {
      await queue.send("work");
      const slow = await next(2);
      await harness.passTime(2500);
      await queue.ack(await next());
      await expect(queue.extend(slow, 30)).rejects.toMatchObject({ code: "lease-lost" });
    });

    test("an ack is idempotent", async () => {
      await queue.send("work");
      const message = await next();
      await queue.ack(message);
      await queue.ack(message);
      await expectNothing();
    });

    // SQS may count such an ack or not: the work was done, either way.
    test("an ack with a lost lease is harmless", async () => {
      await queue.send("work");
      const slow = await next(2);
      await harness.passTime(2500);
      const current = await next();
      await queue.ack(slow);
      await queue.ack(current);
      await expectNothing();
    });

    test("a receiver that waits is woken by a send", async () => {
      const pending = queue.receive({ leaseSeconds: 30, waitSeconds: 20 });
      await queue.send("at last");
      const [message] = await whileTimePasses(harness.passTime, pending);
      expect(message?.body).toBe("at last");
    });

    test("a receiver that waits is woken by the end of a delay", async () => {
      await queue.send("soon", { delaySeconds: 1 });
      const pending = queue.receive({ leaseSeconds: 30, waitSeconds: 20 });
      const [message] = await whileTimePasses(harness.passTime, pending);
      expect(message?.body).toBe("soon");
    });

    test("a receiver waits no longer than it asked for", async () => {
      const pending = queue.receive({ leaseSeconds: 30, waitSeconds: 1 });
      expect(await whileTimePasses(harness.passTime, pending)).toEqual([]);
    });

    test("a message that is received too often without an ack becomes a dead letter", async () => {
      await queue.send("poison");
      for (let receives = 1; receives <= maxReceives; receives += 1) {
        const message = await next();
        expect(message.receives).toBe(receives);
        await queue.extend(message, 0);
      }
      await waitUntil(harness.passTime, "the message is dead", async () => {
        await expectNothing();
        return (await queue.deadLetters()).length > 0;
      });
    });

    test("dead letters carry their body, at most as many as asked for", async () => {
      expect(await queue.deadLetters()).toEqual([]);
      for (const body of ["one", "two"]) {
        await queue.send(body);
        for (let receives = 0; receives < maxReceives; receives += 1) await queue.extend(await next(), 0);
        await expectNothing();
      }
      expect(await queue.deadLetters(1)).toHaveLength(1);
      await harness.passTime(2500);
      const bodies = new Set<string>();
      await waitUntil(harness.passTime, "both letters are there", async () => {
        for (const { body } of await queue.deadLetters(10)) bodies.add(body);
        return bodies.size === 2;
      });
      expect(bodies).toEqual(new Set(["one", "two"]));
    });

    test("256 KiB of text is a message, a byte more is a typed error", async () => {
      const body = "x".repeat(256 * 1024);
      await queue.send(body);
      expect((await next()).body).toHaveLength(body.length);
      await expect(queue.send(`${body}x`)).rejects.toMatchObject({ code: "message-too-large" });
      await expect(queue.send("é".repeat(128 * 1024 + 1))).rejects.toMatchObject({
        code: "message-too-large",
      });
    });

    test.each([
      ["max", () => queue.receive({ max: 11, leaseSeconds: 30 })],
      ["max", () => queue.receive({ max: 1.5, leaseSeconds: 30 })],
      ["waitSeconds", () => queue.receive({ leaseSeconds: 30, waitSeconds: 21 })],
      ["leaseSeconds", () => queue.receive({ leaseSeconds: -1 })],
      ["leaseSeconds", () => queue.receive({ leaseSeconds: Number.NaN })],
      ["delaySeconds", () => queue.send("x", { delaySeconds: 901 })],
    ])("%s outside SQS's limits is a typed error", async (_, call) => {
      await expect(call()).rejects.toMatchObject({ code: "invalid-option" });
    });
  });
}
