/**
 * What became of every peer of a round, with the reason. A function of decision objects alone: anybody may write it
 * again with equal bytes.
 *
 * @module
 */
import {
  type Close,
  f32FromHex,
  f64FromHex,
  f64ToHex,
  type Manifest,
  PAGE_SIZE,
  type Receipt,
  type ReceiptsPage,
  type Roster,
  type Selection,
  type VerdictReason,
} from "../../schemas/index.ts";
import type { Fact } from "./facts.ts";
import { finiteFigure } from "./gauntlet/losses.ts";

/** The five objects of a finished round. */
export interface FinishedRound {
  roster: Fact<Roster>;
  close: Fact<Close>;
  selection: Fact<Selection>;
  manifest: Fact<Manifest>;
}

/** Receipts in roster order, then those of committed peers outside the roster, ascending by id. */
export function receiptsOf(finished: FinishedRound): Receipt[] {
  const { roster, close } = finished;
  const inRoster = roster.body.peers.map(({ peer }) => peer);
  const others = close.body.submissions.map(({ peer }) => peer).filter((peer) => !inRoster.includes(peer));
  return [...inRoster, ...others].map((peer) => receiptOf(finished, peer));
}

function receiptOf({ roster, close, selection, manifest }: FinishedRound, peer: string): Receipt {
  const settled = close.body.submissions.find((one) => one.peer === peer);
  const judgement = selection.body.judgements.find((one) => one.peer === peer) ?? null;
  const receipt = { peer, commit: settled?.commit ?? null, clip: null, judgement, share: f64ToHex(0) };
  if (settled === undefined) {
    return { ...receipt, verdict: "absent", reason: { code: "no-commit", commitBy: roster.body.commitBy } };
  }
  if (settled.refusal !== null && settled.verdict !== "included") {
    return { ...receipt, verdict: settled.verdict, reason: settled.refusal };
  }
  const { outcome, set, missingShards, guard } = manifest.body;
  if (outcome === "void") {
    const reason: VerdictReason = { code: "round-void", missingShards: missingShards.length };
    return { ...receipt, verdict: "not-selected", reason };
  }
  const left = selection.body.notSelected.find((one) => one.peer === peer);
  if (left !== undefined) {
    // Shares of a sum that the guard refused are nobody's.
    const share = set === "established" || isRefused(manifest.body) ? receipt.share : left.share;
    return { ...receipt, verdict: "not-selected", reason: left.reason, share };
  }
  const used = set === null ? undefined : selection.body[set].find((one) => one.peer === peer);
  if (used === undefined) {
    // Selected, but not in the sum that was published.
    const worst = guard.find(({ passed }) => !passed)?.change ?? null;
    const reason: VerdictReason = {
      code: "guard-refused",
      change: worst === null ? null : f64FromHex(worst),
    };
    return { ...receipt, verdict: "not-selected", reason };
  }
  const [weight, clip] = [f32FromHex(used.weight), f32FromHex(used.clip)];
  const reason: VerdictReason =
    judgement === null
      ? { code: "selected-unjudged", weight, clip }
      : { code: "selected", weight, clip, lossScore: finiteFigure(f64FromHex(judgement.lossScore)) };
  return { ...receipt, verdict: "selected", reason, clip: used.clip, share: used.share };
}

/** True when something was selected and no sum of it was let pass. */
function isRefused({ outcome, guard }: Manifest): boolean {
  return outcome === "empty" && guard.length > 0;
}

/** Receipts cut into pages. */
export function receiptsPages(finished: FinishedRound): ReceiptsPage[] {
  const receipts = receiptsOf(finished);
  const pages = Math.max(1, Math.ceil(receipts.length / PAGE_SIZE));
  return Array.from({ length: pages }, (_, page) => ({
    round: finished.manifest.body.round,
    page,
    manifest: finished.manifest.hash,
    receipts: receipts.slice(page * PAGE_SIZE, (page + 1) * PAGE_SIZE),
  }));
}

/** The page on which a peer of the roster finds its receipt. */
export function receiptsPageOf(roster: Roster, peer: string): number {
  return Math.floor(roster.peers.findIndex((one) => one.peer === peer) / PAGE_SIZE);
}
