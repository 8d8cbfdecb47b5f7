/**
 * From reports to judgements: LossScore, matrix residual, rating and PeerScore of every judged update.
 *
 * @module
 */
import {
  f64FromHex,
  f64ToHex,
  type Judgement,
  type LedgerEntry,
  type Selection,
} from "../../../schemas/index.ts";
import { Draw } from "../draws.ts";
import type { FactsOf } from "../facts.ts";
import { isTie, type LossScore, lossScore } from "./loss-score.ts";
import { unpackLosses } from "./losses.ts";
import { assignmentScale, nextAssignmentScore, type Residual, residuals } from "./matrix.ts";
import { isEstablished, peerScore, RECENT_ROUNDS, scoreFactors } from "./peer-score.ts";
import { initialSkill, ordinal, rateRound, type Skill } from "./rating.ts";

interface Tried extends LossScore {
  peer: string;
  /** Losses on the anchor batch after the update. */
  anchor: number[];
  residual: Residual | null;
}

export interface JudgedRound {
  reports: Selection["reports"];
  /** Ascending by peer id. */
  judgements: Judgement[];
  /** Ascending by peer id. */
  ratedLast: Selection["ratedLast"];
  assignmentScale: string | null;
}

export function judgeRound(facts: FactsOf<"evaluate">): JudgedRound {
  const { close, config } = facts;
  const reports = close.body.plan.jobs.flatMap(({ job }) => {
    // The first evaluator by id counts; reports were checked against the plan when they were read.
    const [first] = facts.reports
      .filter((report) => report.job === job)
      .sort((a, b) => (a.evaluator < b.evaluator ? -1 : 1));
    return first === undefined ? [] : [first];
  });
  const tried = reports
    .flatMap(({ job, report }) => tryGroup(facts, job, report))
    .sort((a, b) => (a.peer < b.peer ? -1 : 1));

  const matrixOnly = config.gauntlet.assignedTest === "matrix";
  const scale = matrixOnly
    ? assignmentScale(
        tried.flatMap(({ peer, residual }) => {
          const entry = facts.previous.ledger.get(peer);
          return residual !== null && entry !== undefined && established(entry) ? [residual.z] : [];
        }),
      )
    : null;
  // Ratings must mean the same over the whole run, so the genesis says how they move.
  const ratingSettings = facts.genesis.config.gauntlet.rating;
  const places = rankForRating(facts, tried);
  const skills = rateRound(places, ratingSettings);

  const judgements = tried.map((one): Judgement => {
    const entry = facts.previous.ledger.get(one.peer);
    const before = entry === undefined ? 0 : f64FromHex(entry.assignmentScore);
    const assignmentScore =
      one.residual === null ? before : nextAssignmentScore(before, one.residual.z, scale);
    const countedRounds = (entry?.countedRounds ?? 0) + (one.residual === null ? 0 : 1);
    const skill = skills.get(one.peer) ?? initialSkill(ratingSettings);
    const firstRound = entry?.firstRound ?? facts.round;
    const recentlyDelivered = (entry?.deliveredRounds ?? []).filter(
      (round) => round > facts.round - RECENT_ROUNDS,
    );
    const factors = scoreFactors({
      assignmentScore,
      countedRounds,
      ordinal: ordinal(skill),
      deliveredRounds: recentlyDelivered.length + 1,
      possibleRounds: Math.min(RECENT_ROUNDS, facts.round - firstRound + 1),
      faults: (entry?.recent ?? []).filter((what) => what === "fault").length,
    });
    const { residual } = one;
    return {
      peer: one.peer,
      lossScore: f64ToHex(one.score),
      standardError: f64ToHex(one.standardError),
      eligible: one.score > 0,
      matrix:
        residual === null
          ? null
          : {
              own: f64ToHex(residual.own),
              row: f64ToHex(residual.row),
              column: f64ToHex(residual.column),
              rest: f64ToHex(residual.rest),
              z: f64ToHex(residual.z),
            },
      rating: { mu: f64ToHex(skill.mu), sigma: f64ToHex(skill.sigma) },
      place: places.findIndex(({ peer }) => peer === one.peer) + 1,
      assignmentScore: f64ToHex(assignmentScore),
      countedRounds,
      factors: {
        assignment: f64ToHex(factors.assignment),
        rating: f64ToHex(factors.rating),
        presence: f64ToHex(factors.presence),
        penalty: f64ToHex(factors.penalty),
      },
      peerScore: f64ToHex(peerScore(factors)),
    };
  });
  return {
    reports: reports.map(({ job, evaluator, hash }) => ({ job, evaluator, report: hash })),
    judgements,
    ratedLast: [...skills]
      .filter(([peer]) => !tried.some((one) => one.peer === peer))
      .map(([peer, { mu, sigma }]) => ({ peer, rating: { mu: f64ToHex(mu), sigma: f64ToHex(sigma) } }))
      .sort((a, b) => (a.peer < b.peer ? -1 : 1)),
    assignmentScale: scale === null ? null : f64ToHex(scale),
  };
}

function established(entry: LedgerEntry): boolean {
  return isEstablished({
    judgedRounds: entry.judgedRounds,
    assignmentScore: f64FromHex(entry.assignmentScore),
  });
}

/** LossScores of one group on the anchor, and its matrix on the owners' data. */
function tryGroup(
  facts: FactsOf<"evaluate">,
  job: string,
  report: FactsOf<"evaluate">["reports"][number]["report"],
): Tried[] {
  const { anchor, jobs } = facts.close.body.plan;
  const group = jobs.find((candidate) => candidate.job === job);
  if (group === undefined) return [];
  const base = unpackLosses(report.base);
  const losses = group.peers.map((peer) =>
    unpackLosses(report.losses.find((one) => one.peer === peer)?.losses ?? ""),
  );
  const scores = losses.map((after) =>
    lossScore(base.slice(0, anchor.length), after.slice(0, anchor.length)),
  );

  let at = anchor.length;
  const parts = group.owned.map((windows) => {
    const part = { from: at, to: at + windows.length };
    at = part.to;
    return part;
  });
  const matrix = losses.map((after) =>
    parts.map(({ from, to }) => lossScore(base.slice(from, to), after.slice(from, to)).score),
  );
  const helps = scores.map(({ score }) => score > 0);
  const residual = residuals(matrix, helps);
  const ownMinusRandom = facts.config.gauntlet.assignedTest === "own-minus-random";
  return group.peers.map((peer, p) => {
    const score = scores[p] ?? { score: Number.NEGATIVE_INFINITY, standardError: 0 };
    const own = matrix[p]?.[p] ?? Number.NEGATIVE_INFINITY;
    return {
      peer,
      ...score,
      anchor: (losses[p] ?? []).slice(0, anchor.length),
      residual: ownMinusRandom
        ? { own, row: score.score, column: 0, rest: 0, z: finiteOr(own - score.score) }
        : (residual?.[p] ?? null),
    };
  });
}

/** What cannot be computed is the worst there is: a broken update must not leave a NaN in a score for ever. */
function finiteOr(value: number): number {
  return Number.isFinite(value) ? value : Number.NEGATIVE_INFINITY;
}

/**
 * One table for the rating, best first and without ties: judged updates by LossScore (those within two standard
 * errors of the best of their group are tied), then refused ones, then those committed and not delivered. Draws break ties.
 */
function rankForRating(
  facts: FactsOf<"evaluate">,
  tried: readonly Tried[],
): { peer: string; skill: Skill; helped: boolean }[] {
  const draw = new Draw(facts.close.body.seed, "ties");
  const byScore = [...tried].sort((a, b) => b.score - a.score || (a.peer < b.peer ? -1 : 1));
  const judged: Tried[] = [];
  while (byScore.length > 0) {
    const [leader] = byScore;
    if (leader === undefined) break;
    let size = 1;
    while (size < byScore.length && isTie(leader.anchor, byScore[size]?.anchor ?? [])) size++;
    judged.push(...draw.shuffled(byScore.splice(0, size)));
  }
  // Only members of the roster, and nobody whom an early end cut off: neither was part of this contest.
  const members = new Set(facts.roster.body.peers.map(({ peer }) => peer));
  const withVerdict = (...verdicts: string[]) =>
    draw.shuffled(
      facts.close.body.submissions
        .filter(
          ({ peer, verdict, refusal }) =>
            members.has(peer) && verdicts.includes(verdict) && refusal?.code !== "round-closed-early",
        )
        .map(({ peer }) => peer),
    );
  const settings = facts.genesis.config.gauntlet.rating;
  const skillOf = (peer: string): Skill => {
    const entry = facts.previous.ledger.get(peer);
    return entry === undefined
      ? initialSkill(settings)
      : { mu: f64FromHex(entry.rating.mu), sigma: f64FromHex(entry.rating.sigma) };
  };
  return [
    ...judged.map(({ peer, score }) => ({ peer, skill: skillOf(peer), helped: score > 0 })),
    ...[...withVerdict("refused"), ...withVerdict("incomplete", "late")].map((peer) => ({
      peer,
      skill: skillOf(peer),
      helped: false,
    })),
  ];
}
