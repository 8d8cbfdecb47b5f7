/**
 * From reports to judgements: LossScore, matrix residual, rating and PeerScore of every judged update.
 *
 * @module
 */
import {
  f64FromHex,
  f64ToHex,
  type Judgement,
  type KeyStanding,
  type LedgerEntry,
  type Selection,
} from "../../../schemas/index.ts";
import { Draw } from "../draws.ts";
import type { FactsOf } from "../facts.ts";
import { isTie, type LossScore, lossScore, neededScore, usualScore } from "./loss-score.ts";
import { assignmentScale, nextAssignmentScore, ownMinusRandom, type Residual, residuals } from "./matrix.ts";
import { doubledJobs, type JobGains, type JobOpinion, opinionOn } from "./opinions.ts";
import { peerScore, RECENT_ROUNDS, ratingFactor, scoreFactors } from "./peer-score.ts";
import { initialSkill, ordinal, rateRound, type Skill, skillBefore } from "./rating.ts";
import { lowerMedian, usual } from "./robust.ts";
import { isEstablished } from "./standing.ts";

interface Tried extends LossScore {
  peer: string;
  /** Before this round. */
  standing: KeyStanding;
  /** What its LossScore must exceed. */
  needed: number;
  helps: boolean;
  /** Gains on the anchor batch. */
  anchor: number[];
  residual: Residual | null;
}

/** What the selection stores of the judging. */
export type JudgedRound = Pick<
  Selection,
  "reports" | "evaluators" | "secondsPerUpdate" | "judgements" | "ratedLast" | "assignmentScale"
>;

/** The opinion on every job of the plan. */
export function opinionsOf(facts: FactsOf<"evaluate">): JobOpinion[] {
  const { anchor, privateSequences, jobs } = facts.close.body.plan;
  const { tolerance, secondOpinions } = facts.config.gauntlet.judging;
  const doubled = doubledJobs(jobs, secondOpinions, facts.seeds?.next);
  return jobs.map((job) =>
    opinionOn(job, facts.reports, {
      round: facts.round,
      evaluators: facts.evaluators,
      records: facts.previous.evaluators,
      anchorSequences: anchor.length,
      privateSequences,
      tolerance,
      doubled,
    }),
  );
}

export function judgeRound(facts: FactsOf<"evaluate">, opinions: readonly JobOpinion[]): JudgedRound {
  const { ledger } = facts.previous;
  const groups = opinions.flatMap(({ job, gains }) =>
    gains === null ? [] : [{ gains, updates: scoresOf(facts, job.peers, gains) }],
  );
  const usualHelp = usualScore(groups.flatMap(({ updates }) => updates));
  const tried = groups
    .flatMap(({ gains, updates }) => tryGroup(facts, updates, gains, usualHelp))
    .sort((a, b) => (a.peer < b.peer ? -1 : 1));

  const matrixOnly = facts.config.gauntlet.assignedTest === "matrix";
  const scale = matrixOnly
    ? assignmentScale(
        tried.flatMap((one) =>
          one.residual === null || !one.helps
            ? []
            : [
                {
                  z: one.residual.z,
                  lossScore: one.score,
                  established: one.standing === "established",
                },
              ],
        ),
      )
    : null;
  // Without a scale nobody can say how much is much: then assignment scores stay as they are.
  const counts = ({ residual }: Tried) => residual !== null && (!matrixOnly || scale !== null);
  // Ratings must mean the same over the whole run, so the genesis says how they move.
  const ratingSettings = facts.genesis.config.gauntlet.rating;
  const places = rankForRating(facts, tried);
  const skills = rateRound(places, ratingSettings);
  // One by one: a ledger may hold more entries than a call takes arguments.
  let runCounted = 0;
  for (const { countedRounds } of ledger.values()) runCounted = Math.max(runCounted, countedRounds);
  for (const one of tried) runCounted = Math.max(runCounted, countedAfter(ledger.get(one.peer), counts(one)));

  const highestRating = ratingCap(tried, skills, ratingSettings);

  const judgements = tried.map((one): Judgement => {
    const entry = ledger.get(one.peer);
    const before = entry === undefined ? 0 : f64FromHex(entry.assignmentScore);
    const assignmentScore =
      one.residual === null || !counts(one) ? before : nextAssignmentScore(before, one.residual.z, scale);
    const skill = skills.get(one.peer) ?? initialSkill(ratingSettings);
    const firstRound = entry?.firstRound ?? facts.round;
    const recentlyDelivered = (entry?.deliveredRounds ?? []).filter(
      (round) => round > facts.round - RECENT_ROUNDS,
    );
    const factors = scoreFactors({
      assignmentScore,
      countedRounds: runCounted,
      ordinal: ordinal(skill) / ratingSettings.sigma,
      highestRating,
      deliveredRounds: recentlyDelivered.length + 1,
      possibleRounds: Math.min(RECENT_ROUNDS, facts.round - firstRound + 1),
      faults: (entry?.recent ?? []).filter((what) => what === "fault").length,
    });
    const { residual } = one;
    return {
      peer: one.peer,
      lossScore: f64ToHex(one.score),
      standardError: f64ToHex(one.standardError),
      needed: f64ToHex(one.needed),
      eligible: one.helps,
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
      countedRounds: countedAfter(entry, counts(one)),
      standing: one.standing,
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
    ...whatEvaluatorsDid(facts, opinions),
    judgements,
    ratedLast: [...skills]
      .filter(([peer]) => !tried.some((one) => one.peer === peer))
      .map(([peer, { mu, sigma }]) => ({ peer, rating: { mu: f64ToHex(mu), sigma: f64ToHex(sigma) } }))
      .sort((a, b) => (a.peer < b.peer ? -1 : 1)),
    assignmentScale: scale === null ? null : f64ToHex(scale),
  };
}

/**
 * The usual rating factor of those that help: who stands above is worth no more. Rank can be had without work, by scaling up
 * a fraction of it.
 */
function ratingCap(
  tried: readonly Tried[],
  skills: ReadonlyMap<string, Skill>,
  settings: Parameters<typeof initialSkill>[0],
): number {
  const samples = tried
    .filter((one) => one.helps)
    .map(({ peer, standing }) => ({
      value: ratingFactor(ordinal(skills.get(peer) ?? initialSkill(settings)) / settings.sigma),
      weight: 1,
      established: standing === "established",
    }));
  return usual(1 / 2, samples) ?? Number.POSITIVE_INFINITY;
}

/** Rounds in which a peer's assignment score was updated, this one included. */
function countedAfter(entry: LedgerEntry | undefined, counts: boolean): number {
  return (entry?.countedRounds ?? 0) + (counts ? 1 : 0);
}

/** The cost of an update moves at most by this factor a round: one evaluator that lies about it must not starve the next. */
const COST_DRIFT = 2;
/** Nothing is judged for nothing: an evaluator that says so must not make the budget endless. */
const LEAST_SECONDS = 1e-4;

/** Reports that were looked at, whose word held, and what judging cost. */
function whatEvaluatorsDid(
  facts: FactsOf<"evaluate">,
  opinions: readonly JobOpinion[],
): Pick<JudgedRound, "reports" | "evaluators" | "secondsPerUpdate"> {
  const found = new Map<string, Selection["evaluators"][number]>();
  const of = (evaluator: string) => {
    const one = found.get(evaluator) ?? { evaluator, confirmed: 0, faults: [] };
    found.set(evaluator, one);
    return one;
  };
  for (const { confirmed, faults } of opinions) {
    for (const evaluator of confirmed) of(evaluator).confirmed++;
    for (const { evaluator, fault } of faults) of(evaluator).faults.push(fault);
  }
  const looked = opinions.flatMap(({ job, counted, reported }) =>
    facts.reports
      .filter((report) => report.job === job.job && reported.includes(report.evaluator))
      .map((report) => ({ ...report, counted: counted.includes(report) })),
  );
  // An evaluator has one voice, however many jobs it took, and no job takes longer than its window.
  const longest = facts.config.windows.evaluationSeconds;
  const seconds = [
    ...Map.groupBy(
      looked.filter(({ counted }) => counted),
      ({ evaluator }) => evaluator,
    ).values(),
  ]
    .map((own) =>
      own.map(({ report }) => Math.min(longest, report.seconds) / Math.max(1, report.losses.length)),
    )
    .flatMap((own) => lowerMedian(own) ?? []);
  const cost = lowerMedian(seconds);
  const before = facts.previous.secondsPerUpdate ?? facts.config.gauntlet.judging.secondsPerUpdate;
  return {
    reports: looked
      .map(({ job, evaluator, hash, counted }) => ({ job, evaluator, report: hash, counted }))
      .sort((a, b) => (a.job + a.evaluator < b.job + b.evaluator ? -1 : 1)),
    evaluators: [...found.values()].sort((a, b) => (a.evaluator < b.evaluator ? -1 : 1)),
    secondsPerUpdate:
      cost === null
        ? null
        : f64ToHex(
            Math.max(LEAST_SECONDS, Math.min(COST_DRIFT * before, Math.max(before / COST_DRIFT, cost))),
          ),
  };
}

type Scored = LossScore & Pick<Tried, "peer" | "standing" | "anchor">;

/** LossScores of one group on the anchor. */
function scoresOf(facts: FactsOf<"evaluate">, peers: readonly string[], gains: JobGains): Scored[] {
  return peers.map((peer, p) => {
    const anchor = gains.anchor[p] ?? [];
    const standing = isEstablished(facts.previous.ledger.get(peer)) ? "established" : "probation";
    return { peer, standing, anchor, ...lossScore(anchor) };
  });
}

/** Who of a group helps, and its matrix on the owners' data. */
function tryGroup(
  facts: FactsOf<"evaluate">,
  updates: readonly Scored[],
  gains: JobGains,
  usualHelp: number,
): Tried[] {
  const judged = updates.map((one) => {
    const needed = neededScore(one.standardError, one.standing, usualHelp);
    return { ...one, needed, helps: one.score > needed };
  });
  const matrix = gains.owned.map((owners) => owners.map((part) => lossScore(part).score));
  const residual = residuals(
    matrix,
    judged.map((one) => one.helps),
  );
  const published = facts.config.gauntlet.assignedTest === "own-minus-random";
  return judged.map((one, p) => {
    const own = matrix[p]?.[p] ?? Number.NEGATIVE_INFINITY;
    return { ...one, residual: published ? ownMinusRandom(own, one.score) : (residual?.[p] ?? null) };
  });
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
  const skillOf = (peer: string): Skill =>
    skillBefore(facts.previous.ledger.get(peer), facts.round, settings);
  return [
    ...judged.map((one) => ({ peer: one.peer, skill: skillOf(one.peer), helped: one.helps })),
    ...[...withVerdict("refused"), ...withVerdict("incomplete", "late")].map((peer) => ({
      peer,
      skill: skillOf(peer),
      helped: false,
    })),
  ];
}
