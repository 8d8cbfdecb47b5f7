/**
 * What peers sign: who they are, that they will train, what they trained.
 *
 * @module
 */
import { z } from "zod";
import { bytes32Hex, publicKeyHex, roundNumber, runId, sha256Hex, shardNumber } from "./primitives.ts";

/** `public/{run}/peers/{peer}.json`. No address, no user agent, no name: the bucket is for ever. */
export const registration = z.strictObject({
  run: runId,
  peer: publicKeyHex,
  /** May name a new key for this peer once. */
  recoveryKey: publicKeyHex.nullable(),
});
export type Registration = z.infer<typeof registration>;

/** `public/{run}/rounds/{r}/intents/{peer}.json`: "I train in round r, on top of this manifest." */
export const intent = z.strictObject({
  round: roundNumber,
  peer: publicKeyHex,
  /** Hash of the manifest of round r - 1 (of the genesis for round 1). */
  manifest: sha256Hex,
  /** Hash of the peer's own parameters after its own outer step of round r - 1. */
  stateHash: sha256Hex,
  /** True: this is the last one; the peer leaves, or the run has ended. */
  leaving: z.boolean(),
});
export type Intent = z.infer<typeof intent>;

/** One uploaded object is at most this large: a single PUT, no multipart. */
export const MAX_SHARD_BYTES = 256 * 1024 * 1024;

/** `sealed/{run}/{r}/{peer}/commit.json`: binds the peer to its payload before any of it is seen. */
export const commit = z.strictObject({
  round: roundNumber,
  peer: publicKeyHex,
  /** Hash of the manifest this update builds on. */
  manifest: sha256Hex,
  /** Hash of the parameters the inner loop began with. */
  stateHash: sha256Hex,
  /** HMAC-SHA-256 keyed with the roster's seed over the peer's key and a few drawn parameter slices. */
  stateProof: bytes32Hex,
  shards: z
    .array(
      z.strictObject({
        shard: shardNumber,
        sizeBytes: z.int().min(1).max(MAX_SHARD_BYTES),
        sha256: sha256Hex,
      }),
    )
    .min(1)
    .max(65_536),
  /** Said by the peer, checked by nobody, decides nothing. */
  claimed: z.strictObject({ innerSteps: z.int().min(0), tokens: z.int().min(0), meanLoss: z.number() }),
});
export type Commit = z.infer<typeof commit>;
