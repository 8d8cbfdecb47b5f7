/**
 * Whether a report answers the plan: asked by the API before it stores one, and again before one counts.
 *
 * @module
 */
import type { Close, GuardReport, Report } from "../../schemas/index.ts";
import type { Fact } from "../coordinator/facts.ts";
import { lossCount } from "../coordinator/gauntlet/losses.ts";

/** Null: acceptable; else what is wrong, in words. `stateHash` null: the state is not published, not checked. */
export function acceptableReport(
  report: Report,
  expected: { close: Fact<Close>; stateHash: string | null },
): string | null {
  const { close, stateHash } = expected;
  if (report.close !== close.hash) return "it answers another close than the one that stands";
  if (stateHash !== null && report.stateHash !== stateHash)
    return "it was computed on another state than the agreed one";
  const job = close.body.plan.jobs.find((candidate) => candidate.job === report.job);
  if (job === undefined) return `the plan has no job ${report.job}`;
  if (report.others.includes(report.evaluator)) return "its evaluator is not one of the others";
  const sequences =
    close.body.plan.anchor.length +
    job.owned.reduce((sum, windows) => sum + windows.length, 0) +
    close.body.plan.privateSequences * (1 + report.others.length);
  if (lossCount(report.base) !== sequences)
    return `it must hold ${sequences} base losses, it holds ${lossCount(report.base)}`;
  const peers = report.losses.map(({ peer }) => peer);
  if (peers.length !== job.peers.length || !job.peers.every((peer, i) => peer === peers[i])) {
    return "its peers are not those of the job, in the order of the job";
  }
  if ((report.canary === null) !== (job.canary === null))
    return job.canary === null ? "the job has no canary" : "the row of the job's canary is missing";
  if (report.canary !== null && lossCount(report.canary) !== sequences)
    return `it must hold ${sequences} losses for the canary`;
  const wrong = report.losses.find(({ losses }) => lossCount(losses) !== sequences);
  return wrong === undefined ? null : `it must hold ${sequences} losses for ${wrong.peer}`;
}

/** The same for a guard's report. */
export function acceptableGuard(
  report: GuardReport,
  expected: { selection: string; stateHash: string | null; sequences: number },
): string | null {
  const { selection, stateHash, sequences } = expected;
  if (report.selection !== selection) return "it answers another selection than the one that stands";
  if (stateHash !== null && report.stateHash !== stateHash)
    return "it was computed on another state than the agreed one";
  const wrong = [report.base, report.after].find((losses) => lossCount(losses) !== sequences);
  return wrong === undefined ? null : `it must hold ${sequences} losses, it holds ${lossCount(wrong)}`;
}
