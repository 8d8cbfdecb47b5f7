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
  const receipt = { peer, commit: settled?.commit ?? null, clip: null, share: f64ToHex(0) };
  if (settled === undefined) {
    return { ...receipt, verdict: "absent", reason: { code: "no-commit", commitBy: roster.body.commitBy } };
  }
  if (settled.refusal !== null && settled.verdict !== "included") {
    return { ...receipt, verdict: settled.verdict, reason: settled.refusal };
  }
  const left = selection.body.notSelected.find((one) => one.peer === peer);
  if (left !== undefined && manifest.body.outcome !== "void") {
    return { ...receipt, verdict: "not-selected", reason: left.reason, share: left.share };
  }
  const used = selection.body.selected.find((one) => one.peer === peer);
  if (used === undefined || manifest.body.outcome === "void") {
    const reason: VerdictReason = { code: "round-void", missingShards: manifest.body.missingShards.length };
    return { ...receipt, verdict: "not-selected", reason };
  }
  const judgement = selection.body.judgements.find((one) => one.peer === peer);
  const reason: VerdictReason = {
    code: "selected",
    weight: f32FromHex(used.weight),
    clip: f32FromHex(used.clip),
    lossScore: finiteFigure(f64FromHex(judgement?.lossScore ?? f64ToHex(0))),
  };
  return { ...receipt, verdict: "selected", reason, clip: used.clip, share: used.share };
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
