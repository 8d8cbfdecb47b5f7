/**
 * Why a run stands where it stands: since when its phase lasts, when it ends regardless, and what happens then.
 *
 * @module
 */
import { toMilliseconds } from "../../schemas/index.ts";
import { DEADLINE_MARGIN_MS, deadlineAfter, hasPassed } from "./deadlines.ts";
import type { Decision } from "./decision.ts";
import type { RoundFacts } from "./facts.ts";

/**
 * When the open phase began, milliseconds since 1970: with the decision before it. Null: before the first roster, or
 * after the last round. `previousManifestMs`: when the last manifest was decided.
 */
export function phaseBeganMs(facts: RoundFacts, previousManifestMs: number | null): number | null {
  switch (facts.phase) {
    case "finished":
      return null;
    case "gather":
      return previousManifestMs;
    case "train":
      return toMilliseconds(facts.roster.body.asOf);
    case "settle":
      return toMilliseconds(facts.cutoff.body.asOf);
    case "evaluate":
      return toMilliseconds(facts.close.body.asOf);
    case "aggregate":
      return toMilliseconds(facts.selection.body.asOf);
  }
}

/**
 * When the open phase ends regardless, milliseconds since 1970: its deadline with the margin. It stays when it has passed,
 * because a run is stuck then. Null: gathering has no deadline (yet, or any more), or the run is over.
 */
export function phaseEndsMs(facts: RoundFacts, { endsAtMs }: Decision): number | null {
  const deadlineMs = deadlineOf(facts, endsAtMs);
  return deadlineMs === null ? null : deadlineMs + DEADLINE_MARGIN_MS;
}

function deadlineOf(facts: RoundFacts, endsAtMs: number | null): number | null {
  switch (facts.phase) {
    case "finished":
      return null;
    case "gather":
      return endsAtMs;
    case "train":
      return toMilliseconds(facts.roster.body.uploadedBy);
    case "settle":
      return deadlineAfter(facts.cutoff.body.asOf, facts.config.windows.checkSeconds);
    case "evaluate":
      return deadlineAfter(facts.close.body.asOf, facts.config.windows.evaluationSeconds);
    case "aggregate":
      return deadlineAfter(facts.selection.body.asOf, facts.config.windows.aggregationSeconds);
  }
}

/** What happens at the deadline, or without one, in a sentence. */
export function whatHappensThen(
  facts: RoundFacts,
  { waitingFor, endsAtMs }: Decision,
  asOfMs: number,
): string {
  if (waitingFor.some(({ kind }) => kind === "coordinator"))
    return "the next tick, or the sweep within a minute, records this decision";
  switch (facts.phase) {
    case "finished":
      return "nothing: the run is over";
    case "gather":
      if (endsAtMs !== null)
        return "the round begins with those who have announced; who comes later joins the next one";
      return waitingFor.some(({ kind }) => kind === "resume")
        ? "nothing by itself: rounds go on when the operator resumes the run"
        : "nothing by itself, and nothing is at stake: the round begins once enough peers have announced";
    case "train": {
      const { commitBy } = facts.roster.body;
      const cutOff =
        "the round is cut off: what is complete is settled, what is not goes back into its peer's error feedback";
      return hasPassed(toMilliseconds(commitBy), asOfMs)
        ? cutOff
        : `${cutOff}; who has not committed by ${commitBy} is waited for no longer`;
    }
    case "settle":
      return "the round is closed: an upload that nobody has checked by then is left out, and no fault of its peer";
    case "evaluate":
      return "the round is selected from what has been judged by then; with too little of it, it is published empty";
    case "aggregate":
      return "the round is published void, the parameters stay as they are; three void rounds in a row pause the run";
  }
}
