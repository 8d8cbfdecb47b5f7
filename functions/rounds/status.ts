/**
 * The picture of a run, drawn from its facts: where it is, what it waits for, how peers stand, how rounds went.
 *
 * @module
 */
import {
  explain,
  type FinalVerdict,
  f64FromHex,
  type HeldOut,
  keys,
  type LedgerEntry,
  prefixes,
  type RoundSummary,
  type RunStatus,
  type Standing,
  toInstant,
  toMilliseconds,
} from "../../schemas/index.ts";
import { decide } from "../coordinator/decide.ts";
import type { RoundFacts } from "../coordinator/facts.ts";
import { finiteFigure } from "../coordinator/gauntlet/losses.ts";
import { penaltyFactor, presenceFactor, RECENT_ROUNDS } from "../coordinator/gauntlet/peer-score.ts";
import { lowerMedian } from "../coordinator/gauntlet/robust.ts";
import { receiptsOf } from "../coordinator/receipts.ts";
import { phaseBeganMs, phaseEndsMs, whatHappensThen } from "../coordinator/why.ts";
import { listAll } from "../storage/object-store.ts";
import { ledgerOf, readFinishedRound, readManifest } from "./history.ts";
import { inParallel } from "./in-parallel.ts";
import { readFact, readForeignFact } from "./objects.ts";
import { nextBy } from "./publish.ts";
import { readFacts } from "./read-facts.ts";
import type { RunContext } from "./run-context.ts";
import { LOOK_BACK_ROUNDS } from "./upkeep.ts";

/** Draws the picture now. `from`: a round known to be open or past; the head's where none is given. */
export async function readStatus(context: RunContext, from?: number): Promise<RunStatus> {
  const { facts, asOfMs } = await readFacts(context, from);
  // Without the secrets: a picture never needs a link of the seed chain.
  const { seeds: _, ...readerFacts } = facts;
  const decision = decide(readerFacts as RoundFacts, asOfMs);
  const last = facts.round - 1;
  const before = last === 0 ? null : await readManifest(context, last);
  const sinceMs = phaseBeganMs(facts, before && toMilliseconds(before.body.asOf));
  const endsAtMs = phaseEndsMs(facts, decision);
  return {
    run: context.run,
    asOf: toInstant(asOfMs),
    rounds: facts.config.rounds,
    round: Math.min(facts.round, facts.config.rounds),
    phase: facts.phase,
    since: sinceMs === null ? null : toInstant(sinceMs),
    waitingFor: decision.waitingFor,
    endsAt: endsAtMs === null ? null : toInstant(endsAtMs),
    afterwards: whatHappensThen(facts, decision, asOfMs),
    manifestBy: nextBy(facts),
    reason: decision.reason,
    progress: progressOf(facts),
    parameters: context.layout.parameters,
    initialHeldOutLoss: await heldOutLoss(context, 0),
    history: await historyOf(context, last),
    standings: standingsOf([...(await ledgerOf(context, last)).entries.values()], last),
  };
}

function progressOf(facts: RoundFacts): RunStatus["progress"] {
  const none = {
    announced: 0,
    roster: 0,
    committed: 0,
    complete: 0,
    jobs: 0,
    reported: 0,
    shards: facts.shards,
    aggregated: 0,
  };
  switch (facts.phase) {
    case "finished":
      return none;
    case "gather":
      return { ...none, announced: facts.intents.length };
    case "train":
      return { ...none, ...inRoster(facts), committed: facts.commits.length, complete: facts.delivered.size };
    case "settle": {
      const complete = facts.commits.filter(({ submission }) => submission !== null).length;
      return { ...none, ...inRoster(facts), committed: facts.commits.length, complete };
    }
    case "evaluate":
    case "aggregate": {
      const { submissions, plan } = facts.close.body;
      const complete = submissions.filter(({ verdict }) => verdict === "included").length;
      const reported =
        facts.phase === "evaluate" ? new Set(facts.reports.map(({ job }) => job)).size : plan.jobs.length;
      const aggregated = facts.phase === "aggregate" ? aggregatedOf(facts) : 0;
      return {
        ...none,
        ...inRoster(facts),
        committed: submissions.length,
        complete,
        jobs: plan.jobs.length,
        reported,
        aggregated,
      };
    }
  }
}

/** Shards of the sum that is worked on: the second one once the guard has refused the first. */
function aggregatedOf({ aggregates }: Extract<RoundFacts, { phase: "aggregate" }>): number {
  return (aggregates.established.length > 0 ? aggregates.established : aggregates.selected).length;
}

function inRoster(facts: Exclude<RoundFacts, { phase: "gather" | "finished" }>) {
  const { length } = facts.roster.body.peers;
  return { announced: length, roster: length };
}

/** Summaries of all finished rounds. Settled ones are kept: a picture late in a long run costs what an early one does. */
async function historyOf(context: RunContext, last: number): Promise<RoundSummary[]> {
  const { complete } = context;
  const open: RoundSummary[] = [];
  for (let round = complete.length + 1; round <= last; round++) {
    const summary = await summaryOf(context, round);
    if (complete.length === round - 1 && isSettled(context, summary, last)) complete.push(summary);
    else open.push(summary);
  }
  return [...complete.slice(0, last), ...open];
}

/**
 * True when nothing will be added to the summary of a round any more: all that is due stands, or it is so long ago that
 * nobody asks for the rest. `last`: the last finished round.
 */
export function isSettled(context: RunContext, summary: RoundSummary, last: number): boolean {
  const { stateEveryRounds, heldOut } = context.genesis.body.config;
  const { round } = summary;
  const published = summary.stateHash !== null || round % stateEveryRounds !== 0;
  const scored = summary.heldOutLoss !== null || round % heldOut.everyRounds !== 0;
  return (published && scored) || round < last - LOOK_BACK_ROUNDS;
}

/** The summary of a finished round: what its objects say at once, and what is published later. */
async function summaryOf(context: RunContext, round: number): Promise<RoundSummary> {
  const heldOut = await heldOutLoss(context, round);
  const state = await readFact(context, "state", keys.state(context.run, round));
  const rest = await context.cache.through(`summary of ${round}`, () => settledSummary(context, round));
  if (rest === null) throw new Error("a settled summary is never null");
  return { ...rest, heldOutLoss: heldOut, stateHash: state?.body.stateHash ?? null };
}

async function settledSummary(
  context: RunContext,
  round: number,
): Promise<Omit<RoundSummary, "heldOutLoss" | "stateHash">> {
  const finished = await readFinishedRound(context, round);
  const receipts = receiptsOf(finished);
  const committed = await inParallel(finished.close.body.submissions, ({ peer }) =>
    readForeignFact(context, "commit", keys.commit(context.run, round, peer), peer),
  );
  const bytesUp = committed
    .flatMap((commit) => commit?.body.shards ?? [])
    .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const pulled = finished.manifest.body.aggregates.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return {
    round,
    outcome: finished.manifest.body.outcome,
    selected: receipts.filter(({ verdict }) => verdict === "selected").map(({ peer }) => peer),
    refused: receipts
      .filter(({ verdict }) => verdict !== "selected")
      .map(({ peer, verdict, reason }) => ({ peer, verdict, code: reason.code, reason: explain(reason) })),
    bytesUp,
    bytesDown: pulled * finished.roster.body.peers.length,
    seconds:
      (toMilliseconds(finished.manifest.body.asOf) - toMilliseconds(finished.roster.body.asOf)) / 1_000,
  };
}

/** The median of the evaluators' held-out losses on the published state of a round; null while there is none. */
async function heldOutLoss(context: RunContext, round: number): Promise<number | null> {
  const state = await readFact(context, "state", keys.state(context.run, round));
  if (state === null) return null;
  return context.cache.through(`held-out loss of ${round}`, async () => {
    const losses: number[] = [];
    for await (const { key } of listAll(context.store, prefixes.heldOut(context.run, round))) {
      const evaluator = key.slice(prefixes.heldOut(context.run, round).length, -".json".length);
      const heldOut: { body: HeldOut } | null = await readForeignFact(context, "held-out", key, evaluator);
      if (heldOut?.body.stateHash === state.body.stateHash) losses.push(f64FromHex(heldOut.body.loss));
    }
    return lowerMedian(losses);
  });
}

/** The leaderboard: best PeerScore first. */
function standingsOf(entries: readonly LedgerEntry[], round: number): Standing[] {
  return entries
    .map((entry) => standingOf(entry, round))
    .sort((a, b) => b.peerScore - a.peerScore || (a.peer < b.peer ? -1 : 1));
}

function standingOf(entry: LedgerEntry, round: number): Standing {
  const assignmentScore = f64FromHex(entry.assignmentScore);
  const [mu, sigma] = [f64FromHex(entry.rating.mu), f64FromHex(entry.rating.sigma)];
  const presence = presenceFactor({
    deliveredRounds: entry.deliveredRounds.filter((delivered) => delivered > round - RECENT_ROUNDS).length,
    possibleRounds: Math.min(RECENT_ROUNDS, round - entry.firstRound + 1),
  });
  const faults = entry.recent.filter((what) => what === "fault").length;
  const lastVerdict: FinalVerdict = entry.lastVerdict;
  return {
    peer: entry.peer,
    peerScore: f64FromHex(entry.peerScore),
    lossScore: entry.lossScore === null ? null : finiteFigure(f64FromHex(entry.lossScore)),
    ratingMu: mu,
    ratingSigma: sigma,
    assignmentScore,
    presence,
    penalty: penaltyFactor({ faults }),
    standing: entry.standing,
    earned: f64FromHex(entry.paid) + f64FromHex(entry.held),
    held: f64FromHex(entry.held),
    forfeited: f64FromHex(entry.forfeited),
    selectedRounds: entry.selectedRounds,
    refusedRounds: entry.refusedRounds,
    lastRound: entry.lastRound,
    lastVerdict,
    lastReason: explain(entry.lastReason),
  };
}
