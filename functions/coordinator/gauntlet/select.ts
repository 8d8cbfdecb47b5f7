/**
 * Who is used: everybody whose update helps, one per cluster of copies, with equal weight. Only when more pass than
 * there are slots does the PeerScore decide. Rewards go by PeerScore squared, never by slot.
 *
 * @module
 */
import {
  COPIES_NAMED,
  f32FromHex,
  f32ToHex,
  f64FromHex,
  f64ToHex,
  type Judgement,
  type Selection,
  type VerdictReason,
} from "../../../schemas/index.ts";
import { Draw } from "../draws.ts";
import type { FactsOf } from "../facts.ts";
import { finiteFigure } from "./losses.ts";

export interface Chosen {
  /** Ascending by peer id. */
  selected: Selection["selected"];
  notSelected: Selection["notSelected"];
}

export function select(facts: FactsOf<"evaluate">, judgements: readonly Judgement[]): Chosen {
  const { close, config } = facts;
  const { minSubmissions, maxSelected } = config.gauntlet;
  const included = close.body.submissions.filter(({ verdict }) => verdict === "included");
  const judgementOf = new Map(judgements.map((one) => [one.peer, one]));
  const reasons = new Map<string, VerdictReason>();

  for (const { peer } of included) {
    const judgement = judgementOf.get(peer);
    if (included.length < minSubmissions) {
      reasons.set(peer, { code: "too-few-submissions", valid: included.length, needed: minSubmissions });
    } else if (judgement === undefined) {
      reasons.set(peer, { code: "not-judged" });
    } else if (!judgement.eligible) {
      const lossScore = finiteFigure(f64FromHex(judgement.lossScore));
      const standardError = finiteFigure(f64FromHex(judgement.standardError));
      reasons.set(peer, { code: "loss-score-not-positive", lossScore, standardError });
    }
  }

  // One of each cluster stands for it, by a draw: which of them is the original cannot be seen.
  const draw = new Draw(close.body.seed, "clusters");
  const membersOf = new Map<string, string[]>();
  const standsFor = new Map<string, string>();
  for (const cluster of close.body.clusters) {
    const eligible = cluster.peers.filter((peer) => !reasons.has(peer));
    const chosen = draw.shuffled(eligible)[0];
    if (chosen === undefined) continue;
    membersOf.set(chosen, eligible);
    const { overlap, threshold, identical } = cluster;
    for (const peer of eligible) {
      if (peer === chosen) continue;
      standsFor.set(peer, chosen);
      reasons.set(peer, {
        code: "copy",
        of: cluster.peers
          .slice(0, COPIES_NAMED + 1)
          .filter((other) => other !== peer)
          .slice(0, COPIES_NAMED),
        others: cluster.peers.length - 1,
        overlap,
        threshold,
        identical,
      });
    }
  }

  const candidates = included.map(({ peer }) => peer).filter((peer) => !reasons.has(peer));
  const scoreOf = (peer: string) => f64FromHex(judgementOf.get(peer)?.peerScore ?? f64ToHex(0));
  const ranked = draw.shuffled(candidates).sort((a, b) => scoreOf(b) - scoreOf(a));
  const slots = candidates.length < minSubmissions ? 0 : Math.min(maxSelected, candidates.length);
  for (const [place, peer] of ranked.slice(slots).entries()) {
    reasons.set(
      peer,
      candidates.length < minSubmissions
        ? { code: "too-few-eligible", eligible: candidates.length, needed: minSubmissions }
        : { code: "no-free-slot", rank: slots + place + 1, slots, peerScore: scoreOf(peer) },
    );
  }

  const chosen = ranked.slice(0, slots).sort((a, b) => (a < b ? -1 : 1));
  const totalSquares = chosen.reduce((sum, peer) => sum + scoreOf(peer) ** 2, 0);
  const weight = Math.fround(1 / chosen.length);
  const shareOf = (peer: string) => (totalSquares > 0 ? scoreOf(peer) ** 2 / totalSquares : 0);
  const isChosen = new Set(chosen);
  const selected = chosen.map((peer) => {
    const clip = f32FromHex(included.find((one) => one.peer === peer)?.clip ?? f32ToHex(1));
    return {
      peer,
      weight: f32ToHex(weight),
      clip: f32ToHex(clip),
      coefficient: f32ToHex(weight * clip),
      share: f64ToHex(shareOf(peer) / (membersOf.get(peer)?.length ?? 1)),
    };
  });
  const notSelected = [...reasons]
    .map(([peer, reason]) => {
      const stand = standsFor.get(peer);
      const paid = stand !== undefined && isChosen.has(stand);
      const share = paid ? shareOf(stand) / (membersOf.get(stand)?.length ?? 1) : 0;
      return { peer, reason, share: f64ToHex(share) };
    })
    .sort((a, b) => (a.peer < b.peer ? -1 : 1));
  return { selected, notSelected };
}
