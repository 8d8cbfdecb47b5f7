/**
 * Late judgements: an update that was used on its peer's record alone, judged since, and found harmful. Its peer forfeits
 * what it earned lately: otherwise a good record could be spent on one bad update whenever evaluators are slow.
 *
 * @module
 */
import { f64ToHex, type Selection } from "../../../schemas/index.ts";
import type { FactsOf } from "../facts.ts";
import { lossScore } from "./loss-score.ts";
import { finiteFigure } from "./losses.ts";
import { doubledJobs, opinionOn } from "./opinions.ts";

/** So many standard errors below 0 are harm. */
const HARMFUL_ERRORS = 2;

/** Harmful updates of the round before, ascending by peer. */
export function forfeitsOf(facts: FactsOf<"evaluate">): Selection["forfeits"] {
  const { late } = facts;
  if (late === null) return [];
  const { anchor, privateSequences, jobs } = late.close.plan;
  const { tolerance, secondOpinions } = facts.config.gauntlet.judging;
  const doubled = doubledJobs(jobs, secondOpinions, facts.roster.body.seed);
  return late.peers.flatMap((peer) => {
    const job = jobs.find(({ peers }) => peers.includes(peer));
    if (job === undefined) return [];
    const { gains, settled } = opinionOn(job, late.reports, {
      round: facts.round,
      evaluators: facts.evaluators,
      records: facts.previous.evaluators,
      anchorSequences: anchor.length,
      privateSequences,
      tolerance,
      doubled,
    });
    // One word of somebody who is not trusted yet must not cost anybody a record.
    if (gains === null || !settled) return [];
    const { score, standardError } = lossScore(gains.anchor[job.peers.indexOf(peer)] ?? []);
    // Harm, not want of help: what cannot be told from nothing costs nobody ten rounds' pay.
    return score >= 0 || score > -HARMFUL_ERRORS * standardError
      ? []
      : [{ peer, lossScore: f64ToHex(finiteFigure(score)) }];
  });
}
