/**
 * The picture of a run: what the page, `outerloop status` and `views/{run}/status.json` show. Not a fact.
 *
 * @module
 */
import { z } from "zod";
import { instant, publicKeyHex, roundNumber, runId, sha256Hex } from "./primitives.ts";
import { finalVerdict } from "./verdict.ts";

/** The phase of a round is named for what goes on until the next decision object. */
export const phase = z.enum(["gather", "train", "settle", "evaluate", "aggregate", "finished"]);
export type Phase = z.infer<typeof phase>;

/** One thing that a phase is waiting for. */
export const awaitedThing = z.strictObject({
  kind: z.enum([
    "peers",
    "commit",
    "upload",
    "check",
    "report",
    "aggregate",
    "state",
    "resume",
    "coordinator",
  ]),
  /** Peer, key or shard; empty for `peers`. */
  name: z.string(),
  /** The same in words: "commit of 3f2a…". */
  text: z.string(),
});
export type AwaitedThing = z.infer<typeof awaitedThing>;

const refusal = z.strictObject({
  peer: publicKeyHex,
  verdict: finalVerdict,
  code: z.string(),
  reason: z.string(),
});

/** One finished round. */
export const roundSummary = z.strictObject({
  round: roundNumber,
  outcome: z.enum(["applied", "empty", "void"]),
  heldOutLoss: z.number().nullable(),
  selected: z.array(publicKeyHex),
  refused: z.array(refusal),
  bytesUp: z.int(),
  bytesDown: z.int(),
  stateHash: sha256Hex.nullable(),
  /** From roster to manifest, by the store's clock. */
  seconds: z.number(),
});
export type RoundSummary = z.infer<typeof roundSummary>;

/** A row of the leaderboard: the Gauntlet factors of a peer after the last round. */
export const standing = z.strictObject({
  peer: publicKeyHex,
  peerScore: z.number(),
  lossScore: z.number().nullable(),
  ratingMu: z.number(),
  ratingSigma: z.number(),
  assignmentScore: z.number(),
  presence: z.number(),
  penalty: z.number(),
  standing: z.enum(["probation", "established"]),
  /** Shares that are the peer's: paid, or held back until it is established. */
  earned: z.number(),
  held: z.number(),
  forfeited: z.number(),
  selectedRounds: z.int(),
  refusedRounds: z.int(),
  lastRound: roundNumber,
  lastVerdict: finalVerdict,
  lastReason: z.string(),
});
export type Standing = z.infer<typeof standing>;

export const runStatus = z.strictObject({
  run: runId,
  /** When this picture was taken, by the store's clock. */
  asOf: instant,
  rounds: z.int(),
  round: roundNumber,
  phase,
  /** When the phase began; null: before the first roster, or finished. */
  since: instant.nullable(),
  /** What the phase waits for; never empty while one is open. */
  waitingFor: z.array(awaitedThing),
  /**
   * When the phase ends regardless, margin included; once passed, only the coordinator is waited for. Null: gathering has
   * no deadline (below the minimum, paused, or its decision is due), or the run is over.
   */
  endsAt: instant.nullable(),
  /** What happens then, or why nothing does. */
  afterwards: z.string(),
  /** When the manifest of the round is due at the latest, each phase with its whole window; null: no round is open. */
  manifestBy: instant.nullable(),
  reason: z.string(),
  /** Peers in the roster, with a commit, complete, in this round. */
  progress: z.strictObject({
    announced: z.int(),
    roster: z.int(),
    committed: z.int(),
    complete: z.int(),
    jobs: z.int(),
    reported: z.int(),
    shards: z.int(),
    aggregated: z.int(),
  }),
  parameters: z.int(),
  initialHeldOutLoss: z.number().nullable(),
  history: z.array(roundSummary),
  standings: z.array(standing),
});
export type RunStatus = z.infer<typeof runStatus>;
