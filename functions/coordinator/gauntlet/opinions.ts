/**
 * From the reports on one job to the gains that count: how many evaluators must speak, whether they agree, who was wrong.
 *
 * Losses differ a little from machine to machine, so opinions are compared with a tolerance, and only differences from an
 * evaluator's own base loss are. One report of a trusted evaluator is enough; two that agree count with their mean; if two
 * differ, a third is asked for, the median counts, and who differs from both others was wrong.
 *
 * @module
 */
import type { EvaluatorRecord, Job, Report } from "../../../schemas/index.ts";
import { Draw } from "../draws.ts";
import type { StoredReport } from "../facts.ts";
import { type EvaluatorTrust, recentFaults, trustIn } from "./evaluator-trust.ts";
import { type LossScore, lossScore, neededScore } from "./loss-score.ts";
import { unpackLosses } from "./losses.ts";
import { median } from "./robust.ts";

/** Mean gains closer than this are the same, whatever their ratio: float32 losses of a few nats repeat no better. */
const SAME_NATS = 1e-4;

/** Share by which losses of the unchanged model may differ. */
const BASE_TOLERANCE = 1e-3;

/** By how much each update of a job lowers the loss of each planned sequence. */
export interface JobGains {
  /** [update][anchor sequence], in the order of the job's peers. */
  anchor: number[][];
  /** [update][owner][sequence of that owner] */
  owned: number[][][];
}

export interface JobOpinion {
  job: Job;
  /** Null: nothing can be said yet. */
  gains: JobGains | null;
  /** Reports that the gains rest on. */
  counted: StoredReport[];
  /** Evaluators that another one confirmed. */
  confirmed: string[];
  /** Evaluators found wrong, and by what. */
  faults: { evaluator: string; fault: "differs" | "canary" }[];
  /** True: no further report is needed. */
  settled: boolean;
  /** True: evaluators differ and nobody has settled it. */
  disputed: boolean;
  /** Evaluators that have reported: the next one must be somebody else. */
  reported: string[];
}

export interface OpinionRules {
  round: number;
  /** Keys that may judge in this round. */
  evaluators: readonly string[];
  records: ReadonlyMap<string, EvaluatorRecord>;
  anchorSequences: number;
  privateSequences: number;
  /** Share by which mean gains may differ. */
  tolerance: number;
  /** Jobs that need two reports, whoever gave the first. */
  doubled: ReadonlySet<string>;
}

/**
 * Jobs with a second opinion, drawn from a link that is revealed only with the next roster: whoever knew them while it judges could lie
 * on all others. Without the link, any job may be one of them.
 */
export function doubledJobs(
  jobs: readonly Job[],
  probability: number,
  seed: string | undefined,
): Set<string> {
  if (seed === undefined) return new Set(probability > 0 ? jobs.map(({ job }) => job) : []);
  const draw = new Draw(seed, "opinions");
  return new Set(jobs.filter(() => draw.happens(probability)).map(({ job }) => job));
}

/** What the reports on one job are worth together. `reports`: accepted ones, in any order. */
export function opinionOn(job: Job, reports: readonly StoredReport[], rules: OpinionRules): JobOpinion {
  const trust = (evaluator: string): EvaluatorTrust => trustIn(rules.records.get(evaluator), rules.round);
  const standing = rules.evaluators.filter((evaluator) => trust(evaluator) !== "out");
  const read = reports
    .filter(({ job: name, evaluator }) => name === job.job && standing.includes(evaluator))
    .sort((a, b) => (a.evaluator < b.evaluator ? -1 : 1))
    .map((stored) => ({ stored, ...readReport(job, stored.report, rules) }));
  const failed = read.filter((one) => !passesCanary(job, one.gains, one.canary));
  const fit = read.filter((one) => !failed.includes(one));
  const faults: JobOpinion["faults"] = failed.map(({ stored }) => ({
    evaluator: stored.evaluator,
    fault: "canary",
  }));
  // Those that failed are nobody to be asked again.
  const available = standing.length - failed.length;

  const agreeing = largestAgreement(fit, rules.tolerance);
  const differing = fit.filter((one) => !agreeing.includes(one));
  const wanted = Math.min(
    available,
    Math.max(
      rules.doubled.has(job.job) ? 2 : 1,
      fit.some(({ stored }) => trust(stored.evaluator) === "trusted") ? 1 : 2,
      differing.length > 0 ? 3 : 1,
    ),
  );
  const settled = fit.length > 0 && fit.length >= wanted;
  // Two of three are right. One of two nobody can tell, but with none left to ask the better record must do.
  const majority = agreeing.length > differing.length;
  const counted = majority ? agreeing : settled ? [bestRecord(fit, rules)].filter(isPresent) : [];
  if (majority && agreeing.length > 1)
    for (const { stored } of differing) faults.push({ evaluator: stored.evaluator, fault: "differs" });
  return {
    job,
    gains: counted.length === 0 ? null : medianGains(counted.map((one) => one.gains)),
    counted: counted.map(({ stored }) => stored),
    confirmed: majority ? confirmedIn(agreeing, rules) : [],
    faults,
    settled,
    disputed: differing.length > 0 && !majority,
    reported: read.map(({ stored }) => stored.evaluator),
  };
}

interface ReadReport {
  gains: JobGains;
  canary: number[] | null;
  /** Mean loss of the unchanged model. */
  base: number;
  /** On private sequences, by the evaluator that drew them. */
  own: Map<string, { base: number; gains: number[] }>;
}

function readReport(job: Job, report: Report, rules: OpinionRules): ReadReport {
  const base = unpackLosses(report.base);
  const rows = report.losses.map(({ losses }) => unpackLosses(losses));
  const gain = (row: readonly number[]) => base.map((loss, i) => loss - (row[i] ?? Number.NaN));
  const parts = partsOf(job, rules.anchorSequences);
  const gains = rows.map(gain);
  const firstPrivate = parts.at(-1)?.to ?? rules.anchorSequences;
  const own = new Map(
    [report.evaluator, ...report.others].map((evaluator, i) => {
      const from = firstPrivate + i * rules.privateSequences;
      const ofMine = (row: readonly number[]) => mean(row.slice(from, from + rules.privateSequences));
      return [evaluator, { base: ofMine(base), gains: gains.map(ofMine) }];
    }),
  );
  return {
    gains: {
      anchor: gains.map((row) => row.slice(0, rules.anchorSequences)),
      owned: gains.map((row) => parts.map(({ from, to }) => row.slice(from, to))),
    },
    canary: report.canary === null ? null : gain(unpackLosses(report.canary)).slice(0, rules.anchorSequences),
    base: mean(base.slice(0, firstPrivate)),
    own,
  };
}

/** Where each owner's sequences stand in a report. */
function partsOf(job: Job, anchorSequences: number): { from: number; to: number }[] {
  let at = anchorSequences;
  return job.owned.map((windows) => {
    const part = { from: at, to: at + windows.length };
    at = part.to;
    return part;
  });
}

/** No update changes nothing; the reverse of an update that clearly helps does not clearly help. */
function passesCanary(job: Job, gains: JobGains, row: readonly number[] | null): boolean {
  if (job.canary === null) return true;
  if (row === null) return false;
  const canary = lossScore(row);
  if (job.canary.kind === "nothing") return Math.abs(canary.score) <= SAME_NATS;
  const own = lossScore(gains.anchor[job.peers.indexOf(job.canary.peer)] ?? []);
  const beyondDoubt = ({ score, standardError }: LossScore) =>
    score > neededScore(standardError, "probation", 0);
  return !(beyondDoubt(own) && beyondDoubt(canary));
}

/** The largest set of reports that all agree with one of them; of equal ones the first by evaluator. */
function largestAgreement<One extends ReadReport & { stored: StoredReport }>(
  reports: readonly One[],
  tolerance: number,
): One[] {
  let largest: One[] = [];
  for (const one of reports) {
    const agreeing = reports.filter((other) => other === one || agree(one, other, tolerance));
    if (agreeing.length > largest.length) largest = agreeing;
  }
  return largest;
}

/**
 * Evaluators whose word another one can vouch for: who agrees on the job's sequences alone may have copied. Where there are no
 * private sequences that has to do.
 */
function confirmedIn(
  agreeing: readonly (ReadReport & { stored: StoredReport })[],
  { privateSequences }: OpinionRules,
): string[] {
  const name = (one: { stored: StoredReport }) => one.stored.evaluator;
  return agreeing
    .filter((one) =>
      agreeing.some(
        (other) =>
          other !== one && (privateSequences === 0 || one.own.has(name(other)) || other.own.has(name(one))),
      ),
    )
    .map(name);
}

function agree(one: ReadReport, other: ReadReport, tolerance: number): boolean {
  if (!isSame(one.base, other.base, BASE_TOLERANCE)) return false;
  // What both find harmful is refused, by however much: losses of a broken model repeat badly.
  const harmful = (report: ReadReport, update: number) => mean(report.gains.anchor[update] ?? []) < 0;
  const updates = [...one.gains.anchor.keys()].filter((p) => !harmful(one, p) || !harmful(other, p));
  const alike = (some: (update: number) => number[], others: (update: number) => number[]) =>
    updates.every((p) => areSame(some(p), others(p), tolerance));
  const figures = (report: ReadReport) => (p: number) => measures(report.gains, p);
  if (!alike(figures(one), figures(other))) return false;
  // What one drew for itself the other has checked, if it came later: a copied or invented report shows here.
  return [...one.own].every(([evaluator, mine]) => {
    const checked = other.own.get(evaluator);
    if (checked === undefined) return true;
    const gain = (gains: readonly number[]) => (p: number) => [gains[p] ?? Number.NaN];
    return isSame(mine.base, checked.base, BASE_TOLERANCE) && alike(gain(mine.gains), gain(checked.gains));
  });
}

/** Every figure that the judgement of one update rests on: its gain on the anchor, then on each owner's part. */
function measures({ anchor, owned }: JobGains, update: number): number[] {
  return [mean(anchor[update] ?? []), ...(owned[update] ?? []).map(mean)];
}

function areSame(some: readonly number[], others: readonly number[], tolerance: number): boolean {
  return some.every((value, i) => isSame(value, others[i] ?? Number.NaN, tolerance));
}

function isSame(a: number, b: number, tolerance: number): boolean {
  if (!Number.isFinite(a) || !Number.isFinite(b)) return Number.isFinite(a) === Number.isFinite(b);
  return Math.abs(a - b) <= SAME_NATS + tolerance * Math.max(Math.abs(a), Math.abs(b));
}

const mean = (values: readonly number[]) =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;

/** Of evaluators of whom nobody knows who is right: no fault before most confirmed before first by id. */
function bestRecord<One extends { stored: StoredReport }>(
  reports: readonly One[],
  { records, round }: OpinionRules,
): One | undefined {
  const faults = (one: One) => recentFaults(records.get(one.stored.evaluator), round).length;
  const confirmed = (one: One) => records.get(one.stored.evaluator)?.confirmed ?? 0;
  return [...reports].sort((a, b) => faults(a) - faults(b) || confirmed(b) - confirmed(a))[0];
}

function medianGains(all: readonly JobGains[]): JobGains {
  const [first] = all;
  if (first === undefined || all.length === 1) return first ?? { anchor: [], owned: [] };
  return {
    anchor: first.anchor.map((row, p) =>
      row.map((_, i) => median(all.map((one) => one.anchor[p]?.[i] ?? Number.NaN))),
    ),
    owned: first.owned.map((owners, p) =>
      owners.map((row, q) =>
        row.map((_, i) => median(all.map((one) => one.owned[p]?.[q]?.[i] ?? Number.NaN))),
      ),
    ),
  };
}

function isPresent<Value>(value: Value | undefined): value is Value {
  return value !== undefined;
}
