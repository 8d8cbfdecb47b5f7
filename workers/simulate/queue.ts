/**
 * A queue as SQS keeps one: on several servers, which a receive asks in a drawn order. So messages come in no order, and
 * a batch is seldom all there is.
 *
 * @module
 */
import { createMemoryQueue } from "../../functions/storage/memory-queue.ts";
import type { Message, Queue } from "../../functions/storage/queue.ts";
import { MAX_RECEIVES } from "../../schemas/index.ts";
import { Random } from "./random.ts";

const SERVERS = 3;

export interface SimulatedQueue extends Queue {
  /** The most messages there have ever been: waiting, leased or dead. */
  readonly longest: () => number;
}

export function createQueue(name: string, seed: number, now: () => number): SimulatedQueue {
  const random = new Random(seed, `queue ${name}`);
  const servers = Array.from({ length: SERVERS }, (_, server) => {
    let made = 0;
    return createMemoryQueue({ maxReceives: MAX_RECEIVES, now, id: () => `${server} ${++made}` });
  });
  const holding = ({ id }: Message) => servers[Number.parseInt(id, 10)] as Queue;
  let kept = 0;
  let longest = 0;
  /** The newest lease of each message that was not acknowledged. */
  const leases = new Map<string, string>();

  return {
    longest: () => longest,
    async send(body, options) {
      kept += 1;
      longest = Math.max(longest, kept);
      await random.pick(servers).send(body, options);
    },
    async receive({ max = 1, leaseSeconds }) {
      const messages: Message[] = [];
      const first = random.between(0, SERVERS - 1);
      for (let i = 0; i < SERVERS && messages.length < max; i++) {
        const server = servers[(first + i) % SERVERS] as Queue;
        messages.push(...(await server.receive({ leaseSeconds, max: max - messages.length })));
      }
      for (const { id, lease } of messages) leases.set(id, lease);
      return messages;
    },
    extend: (message, leaseSeconds) => holding(message).extend(message, leaseSeconds),
    async ack(message) {
      if (leases.get(message.id) === message.lease) {
        leases.delete(message.id);
        kept -= 1;
      }
      await holding(message).ack(message);
    },
    bury: (message, reason) => holding(message).bury(message, reason),
    deadLetters: async (limit) =>
      (await Promise.all(servers.map((server) => server.deadLetters(limit)))).flat().slice(0, limit),
  };
}
