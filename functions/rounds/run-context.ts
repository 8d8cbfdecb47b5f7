/**
 * What every function needs to know of one run: where its objects are, what it is made of, and, for the functions
 * that decide, the secrets. Opened once per process and run.
 *
 * @module
 */
import { type Codec, createLayout, loadCodec, type UpdateLayout } from "../../native/codec.ts";
import {
  type DataIndex,
  type Genesis,
  keys,
  OuterloopError,
  type RoundSummary,
  type SigningKey,
  tensorsOf,
  verifyDataIndex,
  verifyGenesis,
} from "../../schemas/index.ts";
import type { Fact } from "../coordinator/facts.ts";
import type { SeedChain } from "../coordinator/seed-chain.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { FactCache } from "./fact-cache.ts";

/** What only the deciding functions hold. */
export interface RunSecrets {
  coordinator: SigningKey;
  chain: SeedChain;
}

export interface RunContext {
  readonly run: string;
  readonly store: ObjectStore;
  readonly genesis: Fact<Genesis>;
  readonly data: DataIndex;
  readonly layout: UpdateLayout;
  readonly codec: Codec;
  /** Undefined for readers: they can say what a run waits for, but not go on. */
  readonly secrets: RunSecrets | undefined;
  /** Facts never change once they stand, so they are read and verified once. */
  readonly cache: FactCache;
  /** Summaries of rounds to which nothing will be added, in order from round 1; see `status.ts`. */
  readonly complete: RoundSummary[];
}

/**
 * Reads and verifies the genesis and what it names; keeps up to `cachedFacts` facts. Typed errors: `no-such-run`, and those
 * of verification.
 */
export async function openRun(
  store: ObjectStore,
  run: string,
  secrets?: RunSecrets,
  { cachedFacts }: { cachedFacts?: number } = {},
): Promise<RunContext> {
  const object = await store.get(keys.genesis(run));
  if (object === null) {
    throw new OuterloopError("no-such-run", `the bucket has no run ${run}: ${keys.genesis(run)} is missing`);
  }
  const fact = verifyGenesis(run, object.bytes);
  const index = await store.get(keys.dataIndex(run));
  const data = index && verifyDataIndex(run, fact.body, index.bytes);
  if (data === null) throw new OuterloopError("wrong-data-index", `${keys.dataIndex(run)} is missing`);
  const { config } = fact.body;
  return {
    run,
    store,
    genesis: fact,
    data,
    layout: createLayout(tensorsOf(config.model), config.outer.chunksPerShard),
    codec: loadCodec(),
    secrets,
    cache: new FactCache(cachedFacts),
    complete: [],
  };
}
