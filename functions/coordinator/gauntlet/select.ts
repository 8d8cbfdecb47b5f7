/**
 * Who is used. Everybody whose update helps is, one per cluster of copies; only when more pass than there are slots do
 * established peers go by PeerScore and keys on probation by lot. Who stays without a slot is the reserve: it delivers
 * like the others, so whoever drops out is replaced within the round, and it is paid like the others.
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
  type UsedUpdate,
  type VerdictReason,
} from "../../../schemas/index.ts";
import { Draw } from "../draws.ts";
import type { FactsOf } from "../facts.ts";
import { usualScore } from "./loss-score.ts";
import { finiteFigure } from "./losses.ts";
import type { JobOpinion } from "./opinions.ts";
import { payingScores, sharesOf } from "./rewards.ts";
import { isEstablished } from "./standing.ts";
import { type Weighed, weightsOf } from "./weights.ts";

export type Chosen = Pick<Selection, "selected" | "established" | "notSelected">;

/** At least this part of the slots is for keys on probation: nobody could ever become established without. */
const PROBATION_SHARE = 1 / 10;

/** An update that passed every gate. */
interface Candidate extends Weighed {
  peerScore: number;
}

export function select(
  facts: FactsOf<"evaluate">,
  judgements: readonly Judgement[],
  opinions: readonly JobOpinion[] = [],
): Chosen {
  const { close, config } = facts;
  const { minSubmissions, maxSelected } = config.gauntlet;
  const included = close.body.submissions.filter(({ verdict }) => verdict === "included");
  const judgementOf = new Map(judgements.map((one) => [one.peer, one]));
  const reasons = new Map<string, VerdictReason>();
  const passed = new Map<string, Candidate>();

  for (const { peer } of included) {
    const judgement = judgementOf.get(peer);
    const entry = facts.previous.ledger.get(peer);
    if (included.length < minSubmissions) {
      reasons.set(peer, { code: "too-few-submissions", valid: included.length, needed: minSubmissions });
    } else if (judgement === undefined) {
      // Its record stands in, once: whoever was judged to help when it was last there may be used a little, if it stands in
      // a job. Who does not will never be judged, and could send anything.
      const cause = whyNotJudged(facts, peer, opinions);
      const helpedLast = entry !== undefined && entry.lossScore !== null && f64FromHex(entry.lossScore) > 0;
      if (cause !== "budget" && helpedLast && isEstablished(entry))
        passed.set(peer, {
          peer,
          standing: "established",
          lossScore: null,
          peerScore: f64FromHex(entry.peerScore),
        });
      else reasons.set(peer, { code: "not-judged", cause });
    } else if (!judgement.eligible) {
      const [lossScore, standardError, needed] = [
        judgement.lossScore,
        judgement.standardError,
        judgement.needed,
      ].map((bits) => finiteFigure(f64FromHex(bits))) as [number, number, number];
      reasons.set(peer, { code: "loss-score-too-low", lossScore, standardError, needed });
    } else {
      const { standing } = judgement;
      const [lossScore, peerScore] = [f64FromHex(judgement.lossScore), f64FromHex(judgement.peerScore)];
      passed.set(peer, { peer, standing, lossScore, peerScore });
    }
  }

  const draw = new Draw(close.body.seed, "clusters");
  const membersOf = new Map<string, Map<string, number>>();
  for (const cluster of close.body.clusters) {
    // One of each cluster stands for it: the best, among equals by a draw. Which of them is the original cannot be seen, but who trains
    // what others were given has the lower assignment score.
    const all = cluster.peers.filter((peer) => passed.has(peer));
    const seen = all.filter((peer) => wasJudged(passed.get(peer)));
    const members = seen.length > 0 ? seen : all;
    for (const peer of all)
      if (!members.includes(peer)) {
        passed.delete(peer);
        reasons.set(peer, copyOf(cluster, peer));
      }
    const scoreOf = (peer: string) => passed.get(peer)?.peerScore ?? 0;
    const [representative, ...others] = draw.shuffled(members).sort((a, b) => scoreOf(b) - scoreOf(a));
    if (representative === undefined) continue;
    membersOf.set(representative, new Map(members.map((peer) => [peer, scoreOf(peer)])));
    for (const peer of others) {
      passed.delete(peer);
      reasons.set(peer, copyOf(cluster, peer));
    }
  }

  const candidates = draw.shuffled([...passed.values()]);
  const judged = candidates.filter(wasJudged);
  if (judged.length < minSubmissions) {
    for (const candidate of candidates)
      reasons.set(
        candidate.peer,
        wasJudged(candidate)
          ? { code: "too-few-eligible", eligible: judged.length, needed: minSubmissions }
          : { code: "not-judged", cause: whyNotJudged(facts, candidate.peer, opinions) },
      );
    return { selected: [], established: [], notSelected: notUsed(reasons, new Map()) };
  }

  const { chosen, left } = fillSlots(candidates, maxSelected);
  for (const [peer, reason] of left) reasons.set(peer, reason);
  for (const candidate of candidates) {
    const { peer } = candidate;
    // Without a judgement and without a slot there is nothing to be paid for.
    if (!wasJudged(candidate) && !chosen.some((one) => one.peer === peer)) {
      reasons.set(peer, { code: "not-judged", cause: whyNotJudged(facts, peer, opinions) });
      passed.delete(peer);
    }
  }
  const usualHelp = usualScore(
    judgements.map(({ lossScore, standing }) => ({ score: f64FromHex(lossScore), standing })),
  );
  const clips = new Map(included.map(({ peer, clip }) => [peer, f32FromHex(clip ?? f32ToHex(1))]));
  const scores = payingScores([...passed.values()], membersOf);
  const proven = chosen.filter((one) => wasJudged(one) && one.standing === "established");
  const half = proven.length >= minSubmissions ? proven : [];
  // Copies have no receipt of that half: nobody shares with them.
  const halfScores = new Map(half.map(({ peer }) => [peer, scores.get(peer) ?? 0]));
  const shares = sharesOf(scores, membersOf);
  return {
    selected: usedUpdates(chosen, clips, shares, usualHelp),
    established: usedUpdates(half, clips, sharesOf(halfScores, new Map()), usualHelp),
    notSelected: notUsed(reasons, shares),
  };
}

function wasJudged(one: Candidate | undefined): boolean {
  return one !== undefined && one.lossScore !== null;
}

function whyNotJudged(facts: FactsOf<"evaluate">, peer: string, opinions: readonly JobOpinion[]) {
  if (!facts.close.body.plan.jobs.some(({ peers }) => peers.includes(peer))) return "budget";
  const opinion = opinions.find(({ job }) => job.peers.includes(peer));
  return opinion?.disputed ? "disagreement" : "no-report";
}

function copyOf(
  { peers, overlap, threshold, identical }: FactsOf<"evaluate">["close"]["body"]["clusters"][number],
  peer: string,
): VerdictReason {
  const named = peers.slice(0, COPIES_NAMED + 1).filter((other) => other !== peer);
  return {
    code: "copy",
    of: named.slice(0, COPIES_NAMED),
    others: peers.length - 1,
    overlap,
    threshold,
    identical,
  };
}

/** `candidates`: in a drawn order, which decides among equals and for keys on probation. */
function fillSlots(candidates: readonly Candidate[], slots: number) {
  const byScore = (some: readonly Candidate[]) => [...some].sort((a, b) => b.peerScore - a.peerScore);
  const judged = candidates.filter(wasJudged);
  const established = byScore(judged.filter(({ standing }) => standing === "established"));
  const probation = judged.filter(({ standing }) => standing === "probation");
  const forProbation = Math.min(
    probation.length,
    Math.max(Math.ceil(slots * PROBATION_SHARE), slots - established.length),
  );
  const forEstablished = Math.min(established.length, slots - forProbation);
  const unjudged = byScore(candidates.filter((one) => !wasJudged(one)));
  const chosen = [
    ...established.slice(0, forEstablished),
    ...probation.slice(0, forProbation),
    ...unjudged.slice(0, Math.max(0, slots - forEstablished - forProbation)),
  ];
  const without = (some: readonly Candidate[], own: number) =>
    some
      .slice(own)
      .map(({ peer, standing, peerScore }, i): [string, VerdictReason] => [
        peer,
        { code: "no-free-slot", standing, rank: own + i + 1, slots: own, peerScore },
      ]);
  return { chosen, left: [...without(established, forEstablished), ...without(probation, forProbation)] };
}

function usedUpdates(
  some: readonly Candidate[],
  clips: ReadonlyMap<string, number>,
  shares: ReadonlyMap<string, number>,
  usualHelp: number,
): UsedUpdate[] {
  const weights = weightsOf(some, usualHelp);
  return [...some]
    .sort((a, b) => (a.peer < b.peer ? -1 : 1))
    .map((one) => {
      const { peer } = one;
      const weight = weights.get(peer) ?? 0;
      const clip = clips.get(peer) ?? 1;
      return {
        peer,
        weight: f32ToHex(weight),
        clip: f32ToHex(clip),
        coefficient: f32ToHex(weight * clip),
        share: f64ToHex(shares.get(peer) ?? 0),
        judged: wasJudged(one),
      };
    });
}

function notUsed(
  reasons: ReadonlyMap<string, VerdictReason>,
  shares: ReadonlyMap<string, number>,
): Selection["notSelected"] {
  return [...reasons]
    .map(([peer, reason]) => ({ peer, reason, share: f64ToHex(shares.get(peer) ?? 0) }))
    .sort((a, b) => (a.peer < b.peer ? -1 : 1));
}
