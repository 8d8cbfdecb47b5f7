/**
 * What the run remembers of each peer: ratings, scores, presence, faults, pay. Ledger r is a function of ledger r - 1
 * and the objects of round r.
 *
 * @module
 */
import {
  f64FromHex,
  f64ToHex,
  type Genesis,
  type LedgerEntry,
  type LedgerPage,
  PAGE_SIZE,
  type Receipt,
  unreachable,
} from "../../schemas/index.ts";
import { RECENT_ROUNDS } from "./gauntlet/peer-score.ts";
import { initialSkill, unrated } from "./gauntlet/rating.ts";
import { type FinishedRound, receiptsOf } from "./receipts.ts";

type RatingSettings = Genesis["config"]["gauntlet"]["rating"];

/** Entries after the round, ascending by peer id. Peers outside its roster keep theirs, or have none. */
export function ledgerAfter(
  previous: ReadonlyMap<string, LedgerEntry>,
  finished: FinishedRound,
  settings: RatingSettings,
): LedgerEntry[] {
  const next = new Map(previous);
  const members = new Set(finished.roster.body.peers.map(({ peer }) => peer));
  for (const receipt of receiptsOf(finished).filter(({ peer }) => members.has(peer)))
    next.set(receipt.peer, entryAfter(previous, finished, settings, receipt));
  return [...next.values()].sort((a, b) => (a.peer < b.peer ? -1 : 1));
}

function entryAfter(
  previous: ReadonlyMap<string, LedgerEntry>,
  { selection, manifest }: FinishedRound,
  settings: RatingSettings,
  receipt: Receipt,
): LedgerEntry {
  const { round } = manifest.body;
  const before = previous.get(receipt.peer);
  const judgement = selection.body.judgements.find((one) => one.peer === receipt.peer);
  const skill =
    before === undefined
      ? initialSkill(settings)
      : { mu: f64FromHex(before.rating.mu), sigma: f64FromHex(before.rating.sigma) };
  const ratedLast = selection.body.ratedLast.find((one) => one.peer === receipt.peer);
  const rested = unrated(skill, settings);
  const what = conduct(receipt);
  return {
    peer: receipt.peer,
    firstRound: before?.firstRound ?? round,
    lastRound: round,
    // A peer cut off by an early end had shown a commit and did nothing wrong: it is awaited again.
    awaited: what === "delivered" || what === "early-end",
    rating: judgement?.rating ??
      ratedLast?.rating ?? { mu: f64ToHex(rested.mu), sigma: f64ToHex(rested.sigma) },
    assignmentScore: judgement?.assignmentScore ?? before?.assignmentScore ?? f64ToHex(0),
    countedRounds: judgement?.countedRounds ?? before?.countedRounds ?? 0,
    judgedRounds: (before?.judgedRounds ?? 0) + (judgement === undefined ? 0 : 1),
    recent: [...(before?.recent ?? []), what === "early-end" ? ("absent" as const) : what].slice(
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
    earned: f64ToHex(f64FromHex(before?.earned ?? f64ToHex(0)) + f64FromHex(receipt.share)),
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

/** The ledger cut into pages. */
export function ledgerPages(entries: readonly LedgerEntry[], finished: FinishedRound): LedgerPage[] {
  const pages = Math.max(1, Math.ceil(entries.length / PAGE_SIZE));
  return Array.from({ length: pages }, (_, page) => ({
    round: finished.manifest.body.round,
    page,
    manifest: finished.manifest.hash,
    medianNorm: finished.close.body.medianNorm,
    entries: entries.slice(page * PAGE_SIZE, (page + 1) * PAGE_SIZE),
  }));
}
