/**
 * Evaluating ends with the selection: a report for every job, or the deadline; at once if too few are valid.
 *
 * @module
 */
import { type Selection, toInstant } from "../../schemas/index.ts";
import { deadlineAfter, hasPassed } from "./deadlines.ts";
import { count, type Decision, type Nudge, recorded, waiting } from "./decision.ts";
import type { FactsOf } from "./facts.ts";
import { judgeRound } from "./gauntlet/judge.ts";
import { select } from "./gauntlet/select.ts";

export function decideEvaluate(facts: FactsOf<"evaluate">, asOfMs: number): Decision {
  const { close, config, round } = facts;
  const { jobs } = close.body.plan;
  const valid = close.body.submissions.filter(({ verdict }) => verdict === "included").length;
  const enough = valid >= config.gauntlet.minSubmissions;
  const open = jobs.filter(({ job }) => !facts.reports.some((report) => report.job === job));
  const endsAtMs = deadlineAfter(close.body.asOf, config.windows.evaluationSeconds);
  const over = hasPassed(endsAtMs, asOfMs);

  if (enough && open.length > 0 && !over && !facts.aborted) {
    return waiting(
      `${count(jobs.length - open.length, "report")} of ${jobs.length}`,
      open.map(({ job }) => ({ kind: "report", name: job, text: `an evaluator's report on job ${job}` })),
      endsAtMs,
      open.map(
        ({ job }): Nudge => ({ queue: "jobs", message: { type: "judge", run: facts.run, round, job } }),
      ),
    );
  }

  const judged = judgeRound(facts);
  const chosen = select(facts, judged.judgements);
  const reason = facts.aborted
    ? "the operator aborted the round"
    : !enough
      ? `${count(valid, "valid submission")}, ${config.gauntlet.minSubmissions} needed: published empty`
      : `${count(judged.judgements.length, "update")} judged, ${count(chosen.selected.length, "update")} selected${open.length > 0 ? `; ${count(open.length, "job")} without a report at the deadline` : ""}`;
  if (facts.seeds === undefined) return recorded(null, reason);
  const body: Selection = {
    round,
    asOf: toInstant(asOfMs),
    reason,
    close: close.hash,
    outcome: chosen.selected.length > 0 && !facts.aborted ? "aggregate" : "empty",
    reports: judged.reports,
    judgements: judged.judgements,
    ratedLast: judged.ratedLast,
    assignmentScale: judged.assignmentScale,
    selected: facts.aborted ? [] : chosen.selected,
    // An aborted round pays nobody; its receipts say that it was void.
    notSelected: facts.aborted ? [] : chosen.notSelected,
  };
  return recorded({ type: "selection", body }, reason);
}
