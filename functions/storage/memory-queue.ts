/**
 * A queue in memory, for tests, simulation and single-process use. A receiver that waits is woken by a send, or by
 * the clock when a delay or a lease runs out.
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import type { Message, Queue, QueueOptions } from "./queue.ts";
import {
  checkLease,
  checkQueueOptions,
  checkReason,
  checkReceive,
  checkSend,
  leaseLost,
} from "./queue-checks.ts";
import { createWaitingRoom, type Timer } from "./waiting.ts";

export interface MemoryQueueOptions extends QueueOptions {
  /** Milliseconds since 1970 (the system's clock). */
  now?: () => number;
  /** Must go with `now` (the system's timer). */
  timer?: Timer;
  /** Names messages and leases, no two alike (random UUIDs). */
  id?: () => string;
}

interface Entry extends Message {
  /** From then on anybody may receive it: the end of its delay or of its lease. */
  visibleAtMs: number;
}

/** Creates an empty queue. Errors are those of the port. */
export function createMemoryQueue(options: MemoryQueueOptions): Queue {
  checkQueueOptions(options);
  const now = options.now ?? Date.now;
  const newId = options.id ?? randomUUID;
  const room = createWaitingRoom(options.timer);
  const entries = new Map<string, Entry>();
  const dead: Message[] = [];

  const take = (max: number, leaseMs: number): Message[] => {
    const taken: Message[] = [];
    for (const entry of entries.values()) {
      if (taken.length === max) break;
      if (entry.visibleAtMs > now()) continue;
      if (entry.receives >= options.maxReceives) {
        die(entry);
        continue;
      }
      entry.receives += 1;
      entry.lease = newId();
      entry.visibleAtMs = now() + leaseMs;
      taken.push(messageOf(entry));
    }
    return taken;
  };

  const die = (entry: Entry, reason?: string) => {
    entries.delete(entry.id);
    dead.push({ ...messageOf(entry), lease: "", ...(reason === undefined ? {} : { reason }) });
  };

  /** The entry that this very lease holds. Throws `lease-lost`. */
  const held = (message: Message): Entry => {
    const entry = entries.get(message.id);
    if (entry !== undefined && entry.lease === message.lease && entry.visibleAtMs > now()) return entry;
    throw leaseLost(message.id);
  };

  return {
    async send(body, sendOptions) {
      const delayMs = checkSend(body, sendOptions);
      const id = newId();
      entries.set(id, { id, body, lease: "", receives: 0, visibleAtMs: now() + delayMs });
      room.wakeAll();
    },

    async receive(receiveOptions) {
      const { max, leaseMs, waitMs } = checkReceive(receiveOptions);
      const endsAtMs = now() + waitMs;
      for (;;) {
        const taken = take(max, leaseMs);
        if (taken.length > 0 || now() >= endsAtMs) return taken;
        const nextMs = Math.min(endsAtMs, ...[...entries.values()].map((entry) => entry.visibleAtMs));
        await room.wait(nextMs - now());
      }
    },

    async extend(message, leaseSeconds) {
      const leaseMs = checkLease(leaseSeconds);
      held(message).visibleAtMs = now() + leaseMs;
      room.wakeAll();
    },

    async ack(message) {
      if (message.lease !== "" && entries.get(message.id)?.lease === message.lease)
        entries.delete(message.id);
    },

    async bury(message, reason) {
      const line = checkReason(reason);
      die(held(message), line);
    },

    async deadLetters(limit = 100) {
      for (const entry of entries.values()) {
        if (entry.visibleAtMs <= now() && entry.receives >= options.maxReceives) die(entry);
      }
      return dead.slice(0, limit).map((message) => ({ ...message }));
    },
  };
}

function messageOf({ id, body, lease, receives }: Entry): Message {
  return { id, body, lease, receives };
}
