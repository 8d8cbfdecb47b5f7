/**
 * Follows a run in its bucket, whatever becomes of the processes, and tells every round once.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { RunContext } from "../../functions/rounds/run-context.ts";
import { readStatus } from "../../functions/rounds/status.ts";
import { isOuterloopError, type RunStatus } from "../../schemas/index.ts";
import type { Display } from "./display.ts";
import { isComplete } from "./result.ts";
import { roundSeconds, type Timeline } from "./timeline.ts";

export interface Watch {
  context: RunContext;
  timeline: Timeline;
  display: Pick<Display, "line" | "round" | "status">;
  /** Between two looks. */
  pauseMs: number;
  signal: AbortSignal;
}

/** Returns when the run is complete. */
export async function watchRun(watch: Watch): Promise<void> {
  const { context, display, pauseMs, signal } = watch;
  let shown: number | null = null;
  let complete = false;
  while (!complete) {
    complete = await whenStoreAnswers(watch, async () => {
      const status = await readStatus(context, context.complete.length + 1);
      display.status(status);
      // On a resumed run the rounds of before are not told again.
      shown ??= status.history.length;
      for (; shown < status.history.length && isTold(status, shown); shown++) {
        await showRound(watch, status, shown);
      }
      return isComplete(status);
    });
    if (!complete) await sleep(pauseMs, undefined, { signal });
  }
}

/**
 * Asks again for as long as the store is away, with a word to people: the run waits for it too, so there is nothing to
 * miss.
 */
export async function whenStoreAnswers<T>(
  { display, pauseMs, signal }: Pick<Watch, "display" | "pauseMs" | "signal">,
  look: () => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (!isOuterloopError(error, "store-unreachable")) throw error;
      display.line(error.message);
      await sleep(pauseMs, undefined, { signal });
    }
  }
}

/** A round is told once its held-out loss is known and the next roster has ended it. */
function isTold(status: RunStatus, index: number): boolean {
  const known = status.history[index]?.heldOutLoss !== null;
  const ended = index + 1 < status.history.length || status.phase !== "gather";
  return known && ended;
}

async function showRound(
  { context, timeline, display }: Watch,
  status: RunStatus,
  index: number,
): Promise<void> {
  const summary = status.history[index];
  if (summary === undefined) return;
  const { round, heldOutLoss, selected, refused, bytesUp, bytesDown } = summary;
  const seconds = await roundSeconds(context, timeline, round);
  display.round({
    round,
    rounds: status.rounds,
    heldOutLoss,
    selected,
    refused,
    bytesUp,
    bytesDown,
    seconds,
  });
}
