/**
 * Sends nudges to their queues, each at most once in a while: a sweep must not flood evaluators with a job that one of
 * them is busy with. Forgotten with the process, so a restart asks again at once.
 *
 * @module
 */
import { hashOf } from "../../schemas/index.ts";
import type { Nudge } from "../coordinator/decision.ts";
import type { Queue } from "../storage/queue.ts";
import { inParallel } from "./in-parallel.ts";

const MAX_REMEMBERED = 10_000;

export interface Nudger {
  /** Asks for work. */
  send(nudges: readonly Nudge[]): Promise<void>;
  /** Asks again for work that was asked for when its phase was entered, `ageMs` ago. */
  remind(nudges: readonly Nudge[], ageMs: number): Promise<void>;
}

export interface NudgerOptions {
  /** How soon the same work is asked for again. */
  resendSeconds: Record<Nudge["queue"], number>;
  /** Queues of which another process asked when the phase was entered: a reminder waits as if it had been this one. */
  sentElsewhere?: readonly Nudge["queue"][];
  now?: () => number;
}

export function createNudger(queues: { shards: Queue; jobs: Queue }, options: NudgerOptions): Nudger {
  const { resendSeconds, sentElsewhere = [], now = Date.now } = options;
  const sentAt = new Map<string, number>();

  /** `otherMs`: how long ago another process asked. */
  const ask = async (nudges: readonly Nudge[], otherMs: (nudge: Nudge) => number) => {
    await inParallel(nudges, async (nudge) => {
      const key = hashOf(nudge);
      const last = sentAt.get(key);
      const ageMs = last === undefined ? otherMs(nudge) : now() - last;
      if (ageMs < 1_000 * resendSeconds[nudge.queue]) return;
      sentAt.delete(key);
      sentAt.set(key, now());
      if (sentAt.size > MAX_REMEMBERED) sentAt.delete(sentAt.keys().next().value ?? "");
      try {
        await queues[nudge.queue].send(JSON.stringify(nudge.message));
      } catch (error) {
        sentAt.delete(key);
        throw error;
      }
    });
  };
  return {
    send: (nudges) => ask(nudges, () => Number.POSITIVE_INFINITY),
    remind: (nudges, ageMs) =>
      ask(nudges, ({ queue }) => (sentElsewhere.includes(queue) ? ageMs : Number.POSITIVE_INFINITY)),
  };
}
