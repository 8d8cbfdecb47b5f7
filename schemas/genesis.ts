/**
 * What is fixed before the first round: roots, keys, configuration, data, initial parameters, seed anchor.
 *
 * @module
 */
import { z } from "zod";
import { hashOf, parseCanonical } from "./canonical.ts";
import { OuterloopError } from "./errors.ts";
import {
  bytes32Hex,
  instant,
  publicKeyHex,
  roundNumber,
  runId,
  sha256Hex,
  shardNumber,
  sizeBytes,
  slug,
} from "./primitives.ts";
import { runConfig } from "./run-config.ts";
import { signed, verifyBytes } from "./signing.ts";

/** Keys that act for the operator. Roots stay offline and sign only this set, the genesis and controls. */
export const keySet = z.strictObject({
  /** Signs rounds. */
  coordinator: z.array(publicKeyHex).min(1).max(4),
  /** Signs acknowledgements. */
  api: z.array(publicKeyHex).min(1).max(4),
  /** May lease jobs and report losses. */
  evaluators: z.array(publicKeyHex).max(256),
});
export type KeySet = z.infer<typeof keySet>;

/** Hash and size of one shard of the parameters. */
export const shardFile = z.strictObject({ shard: shardNumber, sha256: sha256Hex, sizeBytes });
export type ShardFile = z.infer<typeof shardFile>;

/** `sealed/{run}/{r}/aggregates/{shard}.json` and `.../states/{shard}.json`: one shard is done. */
export const shardRecord = z.strictObject({ round: roundNumber, ...shardFile.shape });
export type ShardRecord = z.infer<typeof shardRecord>;

/** `public/{run}/genesis.json`. Its hash names the run and stands for manifest 0. */
export const genesis = z.strictObject({
  protocol: z.literal(1),
  slug,
  roots: z.array(publicKeyHex).min(1).max(4),
  keys: keySet,
  /** Commitment to the operator's draws: `anchor` is s_0, `links` how many follow (two a round). */
  seedChain: z.strictObject({ id: bytes32Hex, anchor: bytes32Hex, links: z.int().min(2) }),
  config: runConfig,
  /** Binds element ranges to names: SHA-256 over the tensor table, in the order of `model`. */
  schemaDigest: sha256Hex,
  parameters: z.int().min(1),
  /** State after round 0. */
  state: z.strictObject({ stateHash: sha256Hex, shards: z.array(shardFile).min(1) }),
  /** Hash of the body of `data/index.json`. */
  data: sha256Hex,
});
export type Genesis = z.infer<typeof genesis>;

/** Run id: the slug and the first 16 bytes of the genesis hash. It is never reused. */
export function runIdOf(body: Genesis): string {
  return `${body.slug}-${hashOf(body).slice(0, 32)}`;
}

/** Parses and verifies a genesis: its hash is the one in the run id, and all the roots it names have signed it. */
export function verifyGenesis(run: string, bytes: Uint8Array): { body: Genesis; hash: string } {
  const { body } = parseCanonical(signed(genesis), bytes, "genesis");
  if (runIdOf(body) !== run) {
    throw new OuterloopError("wrong-genesis", `this genesis belongs to run ${runIdOf(body)}, not to ${run}`);
  }
  verifyBytes("genesis", run, genesis, bytes, { allOf: body.roots });
  return { body, hash: hashOf(body) };
}

/** `public/{run}/data/index.json`: pre-tokenised text, cut into shards; `heldOut` is never assigned. */
export const dataIndex = z
  .strictObject({
    source: z.string().max(500),
    tokenType: z.enum(["uint16", "uint32"]),
    tokens: z.int().min(1),
    shards: z.array(z.strictObject({ shard: shardNumber, tokens: z.int().min(1), sha256: sha256Hex })).min(1),
    /** Token ranges [start, end) over the concatenated shards. */
    train: z.strictObject({ start: z.int().min(0), end: z.int().min(1) }),
    heldOut: z.strictObject({ start: z.int().min(0), end: z.int().min(1) }),
  })
  .refine(
    ({ tokens, train, heldOut }) =>
      train.start < train.end &&
      train.end <= heldOut.start &&
      heldOut.start < heldOut.end &&
      heldOut.end <= tokens,
    {
      error: "train and heldOut must be ranges of the tokens, the held-out one behind the other",
    },
  );
export type DataIndex = z.infer<typeof dataIndex>;

/** Parses and verifies a data index: signed by the roots, and the one the genesis names (`wrong-data-index`). */
export function verifyDataIndex(run: string, { roots, data }: Genesis, bytes: Uint8Array): DataIndex {
  const { body } = verifyBytes("data-index", run, dataIndex, bytes, { allOf: roots });
  if (hashOf(body) === data) return body;
  throw new OuterloopError("wrong-data-index", `the data index of ${run} is not the one the genesis names`);
}

/** `public/{run}/states/{r}.json`: the parameters after round r, in shards. */
export const state = z.strictObject({
  round: roundNumber,
  manifest: sha256Hex,
  /** SHA-256 over the shards' SHA-256 digests, in order. */
  stateHash: sha256Hex,
  shards: z.array(shardFile).min(1),
});
export type State = z.infer<typeof state>;

/** `public/{run}/controls/{n}.json`: what the operator (roots) says while the run is on. */
export const control = z.strictObject({
  number: z.int().min(1),
  issuedAt: instant,
  action: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("config"), config: runConfig }),
    z.strictObject({ kind: z.literal("keys"), keys: keySet, effectiveFromRound: roundNumber }),
    z.strictObject({ kind: z.literal("pause"), reason: z.string().max(500) }),
    z.strictObject({ kind: z.literal("resume") }),
    z.strictObject({ kind: z.literal("abort"), round: roundNumber, reason: z.string().max(500) }),
  ]),
});
export type Control = z.infer<typeof control>;

/** `public/{run}/head.json`: a signed hint, found wrong and repaired. */
export const head = z.strictObject({
  run: runId,
  /** The round that is open; the one after the last manifest. */
  round: roundNumber,
  /** Hash of the last manifest (of the genesis before the first). */
  manifest: sha256Hex,
  issuedAt: instant,
  /** When the next head is due at the latest; null while peers are gathered, or when the run has finished. */
  nextBy: instant.nullable(),
  finished: z.boolean(),
});
export type Head = z.infer<typeof head>;
