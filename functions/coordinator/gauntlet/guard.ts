/**
 * The guard: a sum of updates that help each by itself may still do harm, so the exact outer step is tried on the anchor
 * batch before it is published. Refused: the established half is tried alone; refused again: the round is published empty.
 *
 * @module
 */
import type { AggregateSet, EvaluatorRecord, GuardReport, Manifest } from "../../../schemas/index.ts";
import { f64ToHex } from "../../../schemas/index.ts";
import { trustIn } from "./evaluator-trust.ts";
import { unpackLosses } from "./losses.ts";

/** A guard's report as it was stored. */
export interface StoredGuardReport {
  set: AggregateSet;
  evaluator: string;
  hash: string;
  report: GuardReport;
}

export interface GuardRules {
  round: number;
  evaluators: readonly string[];
  records: ReadonlyMap<string, EvaluatorRecord>;
  /** The anchor loss may rise by so much. */
  limitNats: number;
}

export interface GuardOpinion {
  /** `open`: another report is needed. */
  verdict: "passed" | "refused" | "open";
  /** What the reports that are there say. */
  soFar: "passed" | "refused" | "open";
  /** Evaluators that have answered. */
  reported: string[];
  /** For the manifest. */
  looked: Manifest["guard"];
}

/** What the guard says of one sum. One trusted evaluator may let it pass, nobody alone may refuse it while there are others. */
export function guardOn(
  set: AggregateSet,
  reports: readonly StoredGuardReport[],
  { round, evaluators, records, limitNats }: GuardRules,
): GuardOpinion {
  const trust = (evaluator: string) => trustIn(records.get(evaluator), round);
  const standing = evaluators.filter((evaluator) => trust(evaluator) !== "out");
  const looked = reports
    .filter((report) => report.set === set && standing.includes(report.evaluator))
    .sort((a, b) => (a.evaluator < b.evaluator ? -1 : 1))
    .map(({ evaluator, hash, report }) => {
      const change = anchorChange(report);
      return { evaluator, hash, change, passed: change !== null && change <= limitNats };
    });
  const passed = looked.filter((one) => one.passed).length;
  const refused = looked.length - passed;
  const oneIsEnough = looked.some((one) => one.passed && trust(one.evaluator) === "trusted");
  // Evenly split: one more is asked, as long as there is one.
  const differing = Math.max(3, passed === refused ? looked.length + 1 : 0);
  const wanted = Math.min(standing.length, passed > 0 && refused > 0 ? differing : oneIsEnough ? 1 : 2);
  // A single refusal must not undo a round while there are others who could be asked.
  const lone = looked.length === 1 && refused === 1 && standing.length > 1;
  const soFar = looked.length === 0 || lone ? "open" : passed > refused ? "passed" : "refused";
  return {
    verdict: looked.length < Math.max(1, wanted) ? "open" : soFar,
    soFar,
    reported: looked.map(({ evaluator }) => evaluator),
    looked: looked.map(({ evaluator, hash, change, passed }) => ({
      set,
      evaluator,
      report: hash,
      change: change === null ? null : f64ToHex(change),
      passed,
    })),
  };
}

/** Evaluators that said of a sum what a majority of two or more denies. */
export function guardFaults(looked: Manifest["guard"]): string[] {
  const saying = (set: AggregateSet, passed: boolean) =>
    looked.filter((one) => one.set === set && one.passed === passed).length;
  return looked
    .filter(({ set, passed }) => saying(set, !passed) >= 2 && saying(set, !passed) > saying(set, passed))
    .map(({ evaluator }) => evaluator);
}

/** By how much the step makes the mean anchor loss worse, in nats; null: a loss is not finite. */
function anchorChange({ base, after }: GuardReport): number | null {
  const [before, then] = [unpackLosses(base), unpackLosses(after)];
  const change = then.reduce((sum, loss, i) => sum + loss - (before[i] ?? Number.NaN), 0) / then.length;
  return Number.isFinite(change) ? change : null;
}
