/**
 * The five decision objects of a round, and what functions write between them. Each decision stores the time it was
 * taken (`asOf`, the store's clock), a reason in words, and the hashes of what it used.
 *
 * @module
 */
import { z } from "zod";
import { shardFile, shardRecord } from "./genesis.ts";
import {
  aggregateSet,
  bytes32Hex,
  f32Hex,
  f64Hex,
  instant,
  publicKeyHex,
  roundNumber,
  sha256Hex,
  shardNumber,
} from "./primitives.ts";
import { keepCount } from "./run-config.ts";
import { finalVerdict, submissionVerdict, verdictReason } from "./verdict.ts";

const decision = { round: roundNumber, asOf: instant, reason: z.string().max(1_000) };

/** 1, `roster.json`: who may submit, until when, on what terms. Ends the gathering. */
export const roster = z.strictObject({
  ...decision,
  /** Hash of manifest r - 1 (genesis for round 1). */
  previousManifest: sha256Hex,
  /** Hash of the configuration this round runs under. */
  config: sha256Hex,
  /** Link 2r - 1 of the seed chain: assignment and proof slices. */
  seed: bytes32Hex,
  /** Ascending by peer id; the place in this list is the peer's position in every draw. */
  peers: z.array(z.strictObject({ peer: publicKeyHex, intent: sha256Hex, awaited: z.boolean() })).min(1),
  keep: keepCount,
  alpha: f32Hex,
  beta: f32Hex,
  commitBy: instant,
  /** Uploads begin before this (tickets expire) ... */
  uploadBy: instant,
  /** ... and are there by this, by `LastModified`. */
  uploadedBy: instant,
});
export type Roster = z.infer<typeof roster>;

/** 2, `cutoff.json`: the barrier. A commit that the API acknowledged was stored before it. */
export const cutoff = z.strictObject({
  ...decision,
  roster: sha256Hex,
  /** True: it came before the deadline, because every awaited peer had delivered or the operator aborted. */
  early: z.boolean(),
});
export type Cutoff = z.infer<typeof cutoff>;

/** `{shard}.check.json`: the fast check of one uploaded shard. */
export const check = z.strictObject({
  round: roundNumber,
  peer: publicKeyHex,
  shard: shardNumber,
  sha256: sha256Hex,
  uploadedAt: instant,
  /** Null: the payload is well formed. */
  refusal: verdictReason.nullable(),
  /** Per tensor of this shard, in table order. */
  squaredNorms: z.array(z.strictObject({ tensor: z.int().min(0), squaredNorm: f64Hex })),
  /** Kept indices of a few drawn chunks (base64 of u16, little-endian) for the copy check. */
  sketch: z.string(),
  /** SHA-256 of the decoded values (not of the container): equal for two encodings of one update. */
  decoded: sha256Hex,
});
export type Check = z.infer<typeof check>;

/** `submission.json`: fan-in of the checks of one peer. */
export const submission = z.strictObject({
  round: roundNumber,
  peer: publicKeyHex,
  /** When the last shard arrived. */
  uploadedAt: instant,
  refusal: verdictReason.nullable(),
  /** Squared norm of each tensor, table order within a shard, then shards ascending. */
  tensorSquaredNorms: z.array(f64Hex),
  norm: f64Hex,
  sketch: z.array(z.string()),
  decoded: sha256Hex,
});
export type Submission = z.infer<typeof submission>;

/** Numbers of windows of the training text, in the order of the draw. */
const windows = z.array(z.int().min(0));

/** 3, `close.json`: a verdict for every commit, norms and clips frozen, the evaluation drawn. */
export const close = z.strictObject({
  ...decision,
  roster: sha256Hex,
  cutoff: sha256Hex,
  /** Link 2r of the seed chain: groups, sequences, ties. */
  seed: bytes32Hex,
  /** m: the norm that others are measured by. Null: no valid submission that changes anything. */
  medianNorm: f64Hex.nullable(),
  /** True: m is the median of established peers, and the next one of theirs is held within [1/2, 2] of it. */
  medianOfEstablished: z.boolean(),
  submissions: z.array(
    z.strictObject({
      peer: publicKeyHex,
      commit: sha256Hex,
      verdict: submissionVerdict,
      refusal: verdictReason.nullable(),
      norm: f64Hex.nullable(),
      /** c_p: every later step sees the update times this. */
      clip: f32Hex.nullable(),
    }),
  ),
  /** Peers whose updates are copies of one another: one slot, one share, nobody blamed. */
  clusters: z.array(
    z.strictObject({
      peers: z.array(publicKeyHex).min(2),
      overlap: z.number(),
      threshold: z.number(),
      identical: z.boolean(),
    }),
  ),
  plan: z.strictObject({
    /** b: the step at which each update is tried. */
    step: f32Hex,
    /** How many updates the budget suffices for, at what judging one was last seen to cost. */
    budget: z.strictObject({ updates: z.int().min(1), secondsPerUpdate: f64Hex }),
    /** Window numbers of the anchor batch. */
    anchor: windows,
    /** Sequences that each evaluator draws for itself beside those of its job. */
    privateSequences: z.int().min(0),
    jobs: z.array(
      z.strictObject({
        job: z.string().regex(/^[0-9]{4,8}$/),
        /** Owners: whose updates are judged, on their own and each other's data. */
        peers: z.array(publicKeyHex).min(1),
        /** Window numbers of each owner's sequences, in the order of `peers`. */
        owned: z.array(windows),
        /** A row whose outcome is known: no update at all, or the reverse of one that helps. */
        canary: z.strictObject({ peer: publicKeyHex, kind: z.enum(["nothing", "reverse"]) }).nullable(),
      }),
    ),
  }),
});
export type Close = z.infer<typeof close>;
export type Job = Close["plan"]["jobs"][number];

/** Losses per sequence as float32 bits, eight digits each without separator. */
const packedLosses = z.string().regex(/^([0-9a-f]{8})+$/);

/**
 * `reports/{job}/{evaluator}.json`: the anchor sequences first, then those of each owner in the order of the job, then the
 * private ones of this evaluator, then those of each of the `others`.
 */
export const report = z.strictObject({
  round: roundNumber,
  job: z.string().regex(/^[0-9]{4,8}$/),
  evaluator: publicKeyHex,
  /** Hash of the close this report answers. */
  close: sha256Hex,
  stateHash: sha256Hex,
  /** Evaluators that had reported before, whose private sequences this one checked. */
  others: z.array(publicKeyHex).max(2),
  base: packedLosses,
  losses: z.array(z.strictObject({ peer: publicKeyHex, losses: packedLosses })),
  /** The row of the job's canary; null if the job has none. */
  canary: packedLosses.nullable(),
  /** What the job took, said by the evaluator: judging is budgeted by the median. */
  seconds: z.number().min(0),
});
export type Report = z.infer<typeof report>;

/** `guards/{set}/{evaluator}.json`: losses on the anchor sequences before and after the whole outer step. */
export const guardReport = z.strictObject({
  round: roundNumber,
  set: aggregateSet,
  evaluator: publicKeyHex,
  /** Hash of the selection this report answers. */
  selection: sha256Hex,
  stateHash: sha256Hex,
  base: packedLosses,
  after: packedLosses,
});
export type GuardReport = z.infer<typeof guardReport>;

/** `sealed/{run}/{r}/aggregates/{shard}.json`: one shard of a sum is done. */
export const aggregateRecord = z.strictObject({ set: aggregateSet, ...shardRecord.shape });

/** OpenSkill rating. */
export const rating = z.strictObject({ mu: f64Hex, sigma: f64Hex });
export type Rating = z.infer<typeof rating>;

/** A key is on probation until its record is long and good enough. */
const keyStanding = z.enum(["probation", "established"]);
export type KeyStanding = z.infer<typeof keyStanding>;

/** What the Gauntlet found about one update: every factor of its score with the inputs. */
export const judgement = z.strictObject({
  peer: publicKeyHex,
  /** L(theta) - L(theta - b c_p update_p) on the anchor batch, mean over sequences. */
  lossScore: f64Hex,
  standardError: f64Hex,
  /** What the LossScore must exceed for the update to be used. */
  needed: f64Hex,
  eligible: z.boolean(),
  /** Null: fewer than 4 owners in the group. */
  matrix: z.strictObject({ own: f64Hex, row: f64Hex, column: f64Hex, rest: f64Hex, z: f64Hex }).nullable(),
  rating,
  /** Place in this round's rating update, from 1. */
  place: z.int().min(1),
  assignmentScore: f64Hex,
  /** Rounds in which the assignment score was updated. */
  countedRounds: z.int().min(0),
  /** Before this round: medians and slots rest on it; pay goes by the standing after the round. */
  standing: keyStanding,
  factors: z.strictObject({ assignment: f64Hex, rating: f64Hex, presence: f64Hex, penalty: f64Hex }),
  peerScore: f64Hex,
});
export type Judgement = z.infer<typeof judgement>;

/** One update in a sum. */
const used = z.strictObject({
  peer: publicKeyHex,
  weight: f32Hex,
  clip: f32Hex,
  coefficient: f32Hex,
  share: f64Hex,
  /** False: nobody reported on it in time; its peer's record stands in, at a small weight. */
  judged: z.boolean(),
});
export type UsedUpdate = z.infer<typeof used>;

/** How an evaluator was found wrong: it differs from two that agree, or from what is known of a canary. */
export const evaluatorFault = z.enum(["differs", "canary"]);

/** 4, `selection.json`: scores, weights, reasons, reward shares. */
export const selection = z.strictObject({
  ...decision,
  close: sha256Hex,
  outcome: z.enum(["aggregate", "empty"]),
  /** Those that were looked at, ascending by job and evaluator; `counted`: the judgements rest on it. */
  reports: z.array(
    z.strictObject({ job: z.string(), evaluator: publicKeyHex, report: sha256Hex, counted: z.boolean() }),
  ),
  /** Evaluators whose word was confirmed by another, or found wrong, and how. Ascending by id. */
  evaluators: z.array(
    z.strictObject({ evaluator: publicKeyHex, confirmed: z.int().min(0), faults: z.array(evaluatorFault) }),
  ),
  /** What judging one update cost, the lower median over reports; null without any. */
  secondsPerUpdate: f64Hex.nullable(),
  judgements: z.array(judgement),
  /** New ratings of who is in the table without a judgement: refused, then late or incomplete. */
  ratedLast: z.array(z.strictObject({ peer: publicKeyHex, rating })),
  /** s: the usual z that scales the assignment score; null without a matrix, or if it is not above 0. */
  assignmentScale: f64Hex.nullable(),
  /** The peers whose updates are used, ascending by id. */
  selected: z.array(used),
  /** Those of them that are used if the guard refuses the sum of all; empty: then nothing is. */
  established: z.array(used),
  /** Included submissions that are not used, with the reason; who passed every gate has a share without a slot. */
  notSelected: z.array(z.strictObject({ peer: publicKeyHex, reason: verdictReason, share: f64Hex })),
  /** Updates used in the round before without a judgement, judged since and found harmful: recent pay is forfeited. */
  forfeits: z.array(z.strictObject({ peer: publicKeyHex, lossScore: f64Hex })),
});
export type Selection = z.infer<typeof selection>;

/** 5, `manifest.json`: what peers pull. Hash-chained. */
export const manifest = z.strictObject({
  ...decision,
  /** `applied`: take the outer step. `empty` and `void`: parameters unchanged. */
  outcome: z.enum(["applied", "empty", "void"]),
  previousManifest: sha256Hex,
  roster: sha256Hex,
  cutoff: sha256Hex,
  close: sha256Hex,
  selection: sha256Hex,
  alpha: f32Hex,
  keep: keepCount,
  /** Which sum the guard let pass; null: none (`empty`, `void`). */
  set: aggregateSet.nullable(),
  /** The guard's reports that were looked at, and what they said: the change of the anchor loss in nats, null if not finite. */
  guard: z.array(
    z.strictObject({
      set: aggregateSet,
      evaluator: publicKeyHex,
      report: sha256Hex,
      change: f64Hex.nullable(),
      passed: z.boolean(),
    }),
  ),
  aggregates: z.array(shardFile),
  /** Shards without an aggregate at the deadline (outcome `void`). */
  missingShards: z.array(shardNumber),
  /** The newest published state this round builds on; null: it was not ready. */
  baseState: z.strictObject({ round: roundNumber, stateHash: sha256Hex }).nullable(),
  /** Void rounds in a row, this one included; three pause the run. */
  voidsInRow: z.int().min(0),
});
export type Manifest = z.infer<typeof manifest>;

/** Receipts and ledger hold this many peers a page. */
export const PAGE_SIZE = 500;

/** `receipts/{page}.json`: what became of every peer, by roster position. */
export const receiptsPage = z.strictObject({
  round: roundNumber,
  page: z.int().min(0),
  manifest: sha256Hex,
  receipts: z.array(
    z.strictObject({
      peer: publicKeyHex,
      verdict: finalVerdict,
      reason: verdictReason,
      /** The commit this is about; null: there was none. */
      commit: sha256Hex.nullable(),
      /** c_p if the update was used: the peer settles its error feedback with it. */
      clip: f32Hex.nullable(),
      /** Every factor of the score; null: not judged. */
      judgement: judgement.nullable(),
      share: f64Hex,
    }),
  ),
});
export type ReceiptsPage = z.infer<typeof receiptsPage>;
export type Receipt = ReceiptsPage["receipts"][number];

/** Everything the run remembers of a peer from round to round. */
export const ledgerEntry = z.strictObject({
  peer: publicKeyHex,
  firstRound: roundNumber,
  /** The last round this peer was in the roster of. */
  lastRound: roundNumber,
  /** False: it failed to deliver then, so nobody waits for it until it has delivered again. */
  awaited: z.boolean(),
  rating,
  assignmentScore: f64Hex,
  countedRounds: z.int().min(0),
  judgedRounds: z.int().min(0),
  /** Of these, rounds in which its update helped. */
  helpedRounds: z.int().min(0),
  /** What it did in the last eight rounds it was in, oldest first: absence sheds no penalty. */
  recent: z.array(z.enum(["delivered", "fault"])).max(8),
  /** The rounds it delivered in, of the last eight of the run. */
  deliveredRounds: z.array(roundNumber).max(8),
  peerScore: f64Hex,
  /** Null: not judged in its last round. */
  lossScore: f64Hex.nullable(),
  lastVerdict: finalVerdict,
  lastReason: verdictReason,
  selectedRounds: z.int().min(0),
  refusedRounds: z.int().min(0),
  standing: keyStanding,
  /** Shares paid, held back until the key is established, and forfeited. Together: all shares so far. */
  paid: f64Hex,
  held: f64Hex,
  forfeited: f64Hex,
  /** Shares of the last ten rounds it had any in: what a forfeit takes. */
  recentShares: z.array(z.strictObject({ round: roundNumber, share: f64Hex })).max(10),
});
export type LedgerEntry = z.infer<typeof ledgerEntry>;

/** What the run remembers of an evaluator. */
export const evaluatorRecord = z.strictObject({
  evaluator: publicKeyHex,
  /** Jobs in which another evaluator found the same. */
  confirmed: z.int().min(0),
  /** The last rounds in which it was found wrong; three within a hundred and it counts no more. */
  faults: z.array(roundNumber).max(3),
});
export type EvaluatorRecord = z.infer<typeof evaluatorRecord>;

/** `ledger/{page}.json`: ratings, standings and shares after this round, ascending by peer id. */
export const ledgerPage = z.strictObject({
  round: roundNumber,
  page: z.int().min(0),
  manifest: sha256Hex,
  /** The last median norm of established peers. */
  medianNorm: f64Hex.nullable(),
  /** What judging one update is taken to cost; null: never measured. */
  secondsPerUpdate: f64Hex.nullable(),
  /** On the first page, ascending by id. */
  evaluators: z.array(evaluatorRecord),
  entries: z.array(ledgerEntry),
});
export type LedgerPage = z.infer<typeof ledgerPage>;

/** `held-out/{evaluator}.json`: mean loss on text that is never assigned. */
export const heldOut = z.strictObject({
  round: roundNumber,
  evaluator: publicKeyHex,
  stateHash: sha256Hex,
  windows: z.int().min(1),
  /** Nats per token. */
  loss: f64Hex,
});
export type HeldOut = z.infer<typeof heldOut>;
