/**
 * Sends nudges to their queues, each at most once in a while: a sweep every quarter of a second must not flood
 * evaluators with a job that one of them is busy with. Forgotten with the process, so a restart asks again at once.
 *
 * @module
 */
import { hashOf } from "../../schemas/index.ts";
import type { Nudge } from "../coordinator/decision.ts";
import type { Queue } from "../storage/queue.ts";

const MAX_REMEMBERED = 10_000;

export interface Nudger {
  send(nudges: readonly Nudge[]): Promise<void>;
}

export function createNudger(
  queues: { functions: Queue; jobs: Queue },
  options: { resendSeconds: Record<Nudge["queue"], number>; now?: () => number },
): Nudger {
  const now = options.now ?? Date.now;
  const sentAt = new Map<string, number>();
  return {
    async send(nudges) {
      for (const nudge of nudges) {
        const key = hashOf(nudge);
        const last = sentAt.get(key);
        if (last !== undefined && now() - last < 1_000 * options.resendSeconds[nudge.queue]) continue;
        sentAt.delete(key);
        sentAt.set(key, now());
        if (sentAt.size > MAX_REMEMBERED) sentAt.delete(sentAt.keys().next().value ?? "");
        await queues[nudge.queue].send(JSON.stringify(nudge.message));
      }
    },
  };
}
