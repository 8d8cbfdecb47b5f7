/**
 * What the run remembers of each peer: ratings, scores, presence, faults, pay. Ledger r is a function of ledger r - 1
 * and the objects of round r.
 *
 * @module
 */
import {
  type EvaluatorRecord,
  f64FromHex,
  f64ToHex,
  type Genesis,
  type LedgerEntry,
  type LedgerPage,
  PAGE_SIZE,
  type Receipt,
  unreachable,
} from "../../schemas/index.ts";
import { evaluatorRecordsAfter } from "./gauntlet/evaluator-trust.ts";
import { guardFaults } from "./gauntlet/guard.ts";
import { forfeit, pay } from "./gauntlet/pay.ts";
import { RECENT_ROUNDS } from "./gauntlet/peer-score.ts";
import { skillBefore, unrated } from "./gauntlet/rating.ts";
import { standingOf } from "./gauntlet/standing.ts";
import { type FinishedRound, receiptsOf } from "./receipts.ts";

type RatingSettings = Genesis["config"]["gauntlet"]["rating"];

/** What the run remembers after a round. */
export interface Ledger {
  /** By peer. */
  entries: ReadonlyMap<string, LedgerEntry>;
  /** By key. */
  evaluators: ReadonlyMap<string, EvaluatorRecord>;
  /** The last median norm of established peers; null: there was none. */
  medianNorm: number | null;
  /** What judging one update costs; null: never measured. */
  secondsPerUpdate: number | null;
}

export const emptyLedger: Ledger = {
  entries: new Map(),
  evaluators: new Map(),
  medianNorm: null,
  secondsPerUpdate: null,
};

/** The ledger after the round, in the order of ids. Peers outside its roster keep their entries, or have none. */
export function ledgerAfter(previous: Ledger, finished: FinishedRound, settings: RatingSettings): Ledger {
  const { selection, close } = finished;
  const { round, secondsPerUpdate } = selection.body;
  const { medianNorm, medianOfEstablished } = close.body;
  const members = new Set(finished.roster.body.peers.map(({ peer }) => peer));
  const forfeits = new Set(selection.body.forfeits.map(({ peer }) => peer));
  const entries = new Map(
    [...previous.entries].map(([peer, entry]) => [peer, forfeits.has(peer) ? afterForfeit(entry) : entry]),
  );
  for (const receipt of receiptsOf(finished).filter(({ peer }) => members.has(peer)))
    entries.set(receipt.peer, entryAfter(entries.get(receipt.peer), finished, settings, receipt));
  const evaluators = evaluatorRecordsAfter(previous.evaluators, round, [
    ...selection.body.evaluators,
    ...guardFaults(finished.manifest.body.guard).map((evaluator) => ({
      evaluator,
      confirmed: 0,
      faults: ["guard"],
    })),
  ]);
  return {
    entries: new Map([...entries].sort(([a], [b]) => (a < b ? -1 : 1))),
    evaluators: new Map(evaluators.map((record) => [record.evaluator, record])),
    medianNorm: medianOfEstablished && medianNorm !== null ? f64FromHex(medianNorm) : previous.medianNorm,
    secondsPerUpdate: secondsPerUpdate === null ? previous.secondsPerUpdate : f64FromHex(secondsPerUpdate),
  };
}

/** Pay is forfeited, and the record counts no more: a key that spends it on harm has to build it anew. */
function afterForfeit(entry: LedgerEntry): LedgerEntry {
  return { ...entry, ...forfeit(entry), helpedRounds: 0, standing: "probation" };
}

function entryAfter(
  before: LedgerEntry | undefined,
  { selection, manifest }: FinishedRound,
  settings: RatingSettings,
  receipt: Receipt,
): LedgerEntry {
  const { round } = manifest.body;
  const judgement = selection.body.judgements.find((one) => one.peer === receipt.peer);
  const ratedLast = selection.body.ratedLast.find((one) => one.peer === receipt.peer);
  const rested = unrated(skillBefore(before, round, settings), settings);
  const what = conduct(receipt);
  const assignmentScore = judgement?.assignmentScore ?? before?.assignmentScore ?? f64ToHex(0);
  const judgedRounds = (before?.judgedRounds ?? 0) + (judgement === undefined ? 0 : 1);
  const helpedRounds = (before?.helpedRounds ?? 0) + (judgement?.eligible === true ? 1 : 0);
  const standing = standingOf({ helpedRounds, assignmentScore: f64FromHex(assignmentScore) });
  return {
    peer: receipt.peer,
    firstRound: before?.firstRound ?? round,
    lastRound: round,
    // A peer cut off by an early end had shown a commit and did nothing wrong: it is awaited again.
    awaited: what === "delivered" || what === "early-end",
    rating: judgement?.rating ??
      ratedLast?.rating ?? { mu: f64ToHex(rested.mu), sigma: f64ToHex(rested.sigma) },
    assignmentScore,
    countedRounds: judgement?.countedRounds ?? before?.countedRounds ?? 0,
    judgedRounds,
    helpedRounds,
    recent: [...(before?.recent ?? []), ...(what === "delivered" || what === "fault" ? [what] : [])].slice(
      -RECENT_ROUNDS,
    ),
    deliveredRounds: [...(before?.deliveredRounds ?? []), ...(what === "delivered" ? [round] : [])].filter(
      (delivered) => delivered > round - RECENT_ROUNDS,
    ),
    peerScore: judgement?.peerScore ?? before?.peerScore ?? f64ToHex(0),
    lossScore: judgement?.lossScore ?? null,
    lastVerdict: receipt.verdict,
    lastReason: receipt.reason,
    selectedRounds: (before?.selectedRounds ?? 0) + (receipt.verdict === "selected" ? 1 : 0),
    refusedRounds: (before?.refusedRounds ?? 0) + (receipt.verdict === "refused" ? 1 : 0),
    standing,
    ...pay(before, {
      round,
      share: f64FromHex(receipt.share),
      standing,
      helped: judgement?.eligible === true,
    }),
  };
}

/** Delivered in good order, not there, cut off by an early end, or at fault. */
function conduct(receipt: Receipt): "delivered" | "absent" | "early-end" | "fault" {
  switch (receipt.verdict) {
    case "selected":
    case "not-selected":
    case "not-checked":
      return "delivered";
    case "absent":
      return "absent";
    case "incomplete":
      return receipt.reason.code === "round-closed-early" ? "early-end" : "fault";
    case "late":
    case "refused":
      return "fault";
    default:
      return unreachable(receipt.verdict);
  }
}

/** The ledger cut into pages; what is not about peers stands on the first. */
export function ledgerPages(ledger: Ledger, finished: FinishedRound): LedgerPage[] {
  const entries = [...ledger.entries.values()];
  const pages = Math.max(1, Math.ceil(entries.length / PAGE_SIZE));
  return Array.from({ length: pages }, (_, page) => ({
    round: finished.manifest.body.round,
    page,
    manifest: finished.manifest.hash,
    medianNorm: ledger.medianNorm === null ? null : f64ToHex(ledger.medianNorm),
    secondsPerUpdate: ledger.secondsPerUpdate === null ? null : f64ToHex(ledger.secondsPerUpdate),
    evaluators: page === 0 ? [...ledger.evaluators.values()] : [],
    entries: entries.slice(page * PAGE_SIZE, (page + 1) * PAGE_SIZE),
  }));
}
