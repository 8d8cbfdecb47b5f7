/**
 * What travels through queues. Every message is a hint: its handler reads the facts and may find nothing to do.
 *
 * @module
 */
import { z } from "zod";
import { roundNumber, runId, shardNumber } from "./primitives.ts";

/** Work for functions. */
export const functionMessage = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("tick"), run: runId }),
  /** An object was created under `uploads/`, `sealed/.../reports/` or `.../aggregates/`. */
  z.strictObject({ type: z.literal("created"), key: z.string().max(1_024) }),
  z.strictObject({ type: z.literal("aggregate"), run: runId, round: roundNumber, shard: shardNumber }),
  z.strictObject({ type: z.literal("state"), run: runId, round: roundNumber, shard: shardNumber }),
]);
export type FunctionMessage = z.infer<typeof functionMessage>;

/** Work for evaluators, leased over HTTPS. */
export const evaluatorJob = z.discriminatedUnion("type", [
  /** Try every update of one job of close.json. */
  z.strictObject({ type: z.literal("judge"), run: runId, round: roundNumber, job: z.string() }),
  /** Score the parameters after this round on the held-out text. */
  z.strictObject({ type: z.literal("held-out"), run: runId, round: roundNumber }),
]);
export type EvaluatorJob = z.infer<typeof evaluatorJob>;
