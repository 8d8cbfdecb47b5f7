/**
 * Evaluating ends with the selection: as many reports as each job needs, or the deadline; at once if too few are valid.
 *
 * @module
 */
import { type Selection, toInstant } from "../../schemas/index.ts";
import { deadlineAfter, hasPassed } from "./deadlines.ts";
import { count, type Decision, type Nudge, recorded, waiting } from "./decision.ts";
import type { FactsOf } from "./facts.ts";
import { judgeRound, opinionsOf } from "./gauntlet/judge.ts";
import { forfeitsOf } from "./gauntlet/late.ts";
import { select } from "./gauntlet/select.ts";

export function decideEvaluate(facts: FactsOf<"evaluate">, asOfMs: number): Decision {
  const { close, config, round, run } = facts;
  const valid = close.body.submissions.filter(({ verdict }) => verdict === "included").length;
  const enough = valid >= config.gauntlet.minSubmissions;
  const opinions = opinionsOf(facts);
  const open = opinions.filter(({ settled }) => !settled);
  const endsAtMs = deadlineAfter(close.body.asOf, config.windows.evaluationSeconds);
  const over = hasPassed(endsAtMs, asOfMs);

  if (enough && open.length > 0 && !over && !facts.aborted) {
    const nudge = ({ job, reported }: (typeof open)[number]): Nudge => {
      const others = reported.slice(0, 2);
      return { queue: "jobs", message: { type: "judge", run, round, job: job.job, others } };
    };
    return waiting(
      `${count(opinions.length - open.length, "job")} of ${opinions.length} judged`,
      open.map(({ job: { job }, reported }) => ({
        kind: "report",
        name: job,
        text: `${reported.length === 0 ? "an" : "another"} evaluator's report on job ${job}`,
      })),
      endsAtMs,
      open.map(nudge),
      open.filter(({ reported }) => reported.length > 0).map(nudge),
    );
  }

  const judged = judgeRound(facts, opinions);
  const chosen = select(facts, judged.judgements, opinions);
  const reason = facts.aborted
    ? "the operator aborted the round"
    : !enough
      ? `${count(valid, "valid submission")}, ${config.gauntlet.minSubmissions} needed: published empty`
      : `${count(judged.judgements.length, "update")} judged, ${count(chosen.selected.length, "update")} selected${open.length > 0 ? `; ${count(open.length, "job")} not settled at the deadline` : ""}`;
  if (facts.seeds === undefined) return recorded(null, reason);
  const body: Selection = {
    round,
    asOf: toInstant(asOfMs),
    reason,
    close: close.hash,
    outcome: chosen.selected.length > 0 && !facts.aborted ? "aggregate" : "empty",
    ...judged,
    // An aborted round pays nobody; its receipts say that it was void.
    ...(facts.aborted ? { selected: [], established: [], notSelected: [] } : chosen),
    forfeits: forfeitsOf(facts),
  };
  return recorded({ type: "selection", body }, reason);
}
