/**
 * What travels through queues. Every message is a hint: its handler reads the facts and may find nothing to do.
 *
 * @module
 */
import { z } from "zod";
import { aggregateSet, publicKeyHex, roundNumber, runId, shardNumber } from "./primitives.ts";

/** Receives after which a message is a dead letter: consumers, provisioning and the deploy agree on it. */
export const MAX_RECEIVES = 5;

/**
 * No lease of an evaluator, and no extension, lasts longer, whatever it asks for: a job of one that dies, or that somebody's repeated
 * request has taken, comes again.
 */
export const LONGEST_LEASE_SECONDS = 60;

/** Work for functions. Ticks have a queue of their own, because they are consumed in batches. */
export const functionMessage = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("tick"), run: runId }),
  /** An object was created under `uploads/`. */
  z.strictObject({ type: z.literal("created"), key: z.string().max(1_024) }),
  z.strictObject({
    type: z.literal("aggregate"),
    run: runId,
    round: roundNumber,
    shard: shardNumber,
    set: aggregateSet,
  }),
  z.strictObject({ type: z.literal("state"), run: runId, round: roundNumber, shard: shardNumber }),
]);
export type FunctionMessage = z.infer<typeof functionMessage>;
/** Work on one shard: everything but ticks. */
export type ShardMessage = Exclude<FunctionMessage, { type: "tick" }>;

/** Evaluators that have answered already: the next opinion must be somebody else's. */
const others = z.array(publicKeyHex).max(2);

/** Work for evaluators, leased over HTTPS. */
export const evaluatorJob = z.discriminatedUnion("type", [
  /** Try every update of one job of close.json; on the private sequences of the `others` too. */
  z.strictObject({ type: z.literal("judge"), run: runId, round: roundNumber, job: z.string(), others }),
  /** Try the exact aggregate of a selection on the anchor batch. */
  z.strictObject({ type: z.literal("guard"), run: runId, round: roundNumber, set: aggregateSet, others }),
  /** Score the parameters after this round on the held-out text. */
  z.strictObject({ type: z.literal("held-out"), run: runId, round: roundNumber }),
]);
export type EvaluatorJob = z.infer<typeof evaluatorJob>;
