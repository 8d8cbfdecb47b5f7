/**
 * Creates a run: genesis, data, initial parameters, written to the bucket before anybody takes part.
 *
 * @module
 */

import { seedChain } from "../../functions/coordinator/seed-chain.ts";
import { stateHash } from "../../functions/coordinator/state-check.ts";
import type { ObjectStore } from "../../functions/storage/object-store.ts";
import { createLayout } from "../../native/codec.ts";
import {
  type DataIndex,
  type Genesis,
  hashOf,
  keys,
  OuterloopError,
  type RunConfig,
  runConfig,
  runIdOf,
  type ShardFile,
  type SigningKey,
  type State,
  sha256,
  signToBytes,
  tensorsOf,
} from "../../schemas/index.ts";
import { initialParameters } from "../model/index.ts";
import { bytesOf } from "../replica/parameters.ts";

/** Tokens in one data shard. */
const SHARD_TOKENS = 262_144;
/** Share of the text that is never assigned. */
const HELD_OUT_SHARE = 0.05;
/** Links kept in reserve: a longer run needs no new chain. */
const SPARE_LINKS = 1_000;

export interface RunKeys {
  roots: SigningKey[];
  coordinator: SigningKey;
  api: SigningKey;
  /** Public keys: their owners may be strangers. */
  evaluators: string[];
  /** Id and last link of the seed chain, 32 bytes each in hex. */
  chainId: string;
  lastLink: string;
  /** 32 bytes that the initial parameters are drawn from. */
  parameterSeed: Uint8Array;
}

export interface NewRun {
  slug: string;
  config: RunConfig;
  keys: RunKeys;
  /** Where the text comes from, for people. */
  source: string;
  /** One token a byte. */
  text: Uint8Array;
}

/** Links that a run of so many rounds needs: two a round. */
export function chainLength(rounds: number): number {
  return 2 * rounds + SPARE_LINKS;
}

/** A run that could be written: everything it is made of, and so its id. */
export interface PlannedRun {
  run: string;
  genesis: Genesis;
  keys: RunKeys;
  data: { index: DataIndex; shards: Uint8Array[] };
  /** The first parameters. */
  shards: { bytes: Uint8Array; file: ShardFile }[];
}

/** Draws the first parameters and cuts the data. The same run, the same plan. */
export function planRun({ slug, config: given, keys: holders, source, text }: NewRun): PlannedRun {
  const config = runConfig.parse(given);
  const layout = createLayout(tensorsOf(config.model), config.outer.chunksPerShard);
  const theta = initialParameters(config.model, holders.parameterSeed);
  const shards = layout.shards.map(({ number, first, elements }) => {
    const bytes = bytesOf(theta, first, elements);
    return { bytes, file: { shard: number, sha256: sha256(bytes), sizeBytes: bytes.length } };
  });
  const data = indexOf(source, text, config);
  const links = chainLength(config.rounds);
  const genesis: Genesis = {
    protocol: 1,
    slug,
    roots: holders.roots.map(({ publicKey }) => publicKey),
    keys: {
      coordinator: [holders.coordinator.publicKey],
      api: [holders.api.publicKey],
      evaluators: [...holders.evaluators].sort(),
    },
    seedChain: {
      id: holders.chainId,
      anchor: seedChain(holders.chainId, holders.lastLink, links).anchor,
      links,
    },
    config,
    schemaDigest: layout.schemaDigest,
    parameters: layout.parameters,
    state: {
      stateHash: stateHash(shards.map(({ file }) => file.sha256)),
      shards: shards.map(({ file }) => file),
    },
    data: hashOf(data.index),
  };
  return { run: runIdOf(genesis), genesis, keys: holders, data, shards };
}

/** Writes the run and returns its id. Writing the same run again changes nothing. */
export function createRun(store: ObjectStore, wanted: NewRun): Promise<string> {
  return writeRun(store, planRun(wanted));
}

/** The second half of {@link createRun}. Typed error `run-exists`: another run has this id's keys. */
export async function writeRun(
  store: ObjectStore,
  { run, genesis, keys: holders, data, shards }: PlannedRun,
): Promise<string> {
  const put = async (key: string, bytes: Uint8Array) => {
    const written = await store.putIfAbsent(key, bytes);
    if (written.outcome === "exists" && Buffer.compare(written.object.bytes, bytes) !== 0) {
      throw new OuterloopError(
        "run-exists",
        `${key} stands already with other content: choose another slug`,
        { key },
      );
    }
  };
  await Promise.all([
    ...data.shards.map((bytes, shard) => put(keys.dataShard(run, shard), bytes)),
    ...shards.map(({ bytes, file }) => put(keys.stateShard(run, 0, file.shard), bytes)),
  ]);
  await put(keys.dataIndex(run), signToBytes("data-index", run, data.index, ...holders.roots));
  const state: State = { round: 0, manifest: hashOf(genesis), ...genesis.state };
  await put(keys.state(run, 0), signToBytes("state", run, state, holders.coordinator));
  // The genesis last: whoever sees it finds everything it names.
  await put(keys.genesis(run), signToBytes("genesis", run, genesis, ...holders.roots));
  return run;
}

/** Sets the marker that makes the sweep look after a run. Safe to repeat: a finished run loses it again by itself. */
export async function activateRun(store: ObjectStore, run: string): Promise<void> {
  await store.putIfAbsent(keys.active(run), new TextEncoder().encode(`${run}\n`));
}

function indexOf(
  source: string,
  text: Uint8Array,
  config: RunConfig,
): { index: DataIndex; shards: Uint8Array[] } {
  if (config.model.vocabulary < 256) {
    throw new OuterloopError(
      "wrong-data",
      `bytes need a vocabulary of 256, the model has ${config.model.vocabulary}`,
    );
  }
  const tokens = Uint16Array.from(text);
  const shards: Uint8Array[] = [];
  for (let at = 0; at < tokens.length; at += SHARD_TOKENS) {
    const part = tokens.slice(at, at + SHARD_TOKENS);
    shards.push(new Uint8Array(part.buffer));
  }
  const heldOutStart = Math.floor(tokens.length * (1 - HELD_OUT_SHARE));
  return {
    shards,
    index: {
      source,
      tokenType: "uint16",
      tokens: tokens.length,
      shards: shards.map((bytes, shard) => ({ shard, tokens: bytes.length / 2, sha256: sha256(bytes) })),
      train: { start: 0, end: heldOutStart },
      heldOut: { start: heldOutStart, end: tokens.length },
    },
  };
}
