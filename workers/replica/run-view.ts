/**
 * A run as seen from outside, over HTTPS: everything that is read is verified against the genesis, and the genesis
 * against the run id.
 *
 * @module
 */

import type { z } from "zod";
import type { ApiClient } from "../../functions/api/client.ts";
import type { Fact } from "../../functions/coordinator/facts.ts";
import {
  type Codec,
  createLayout,
  loadCodec,
  loadStreams,
  type Streams,
  type UpdateLayout,
} from "../../native/codec.ts";
import {
  control,
  type DataIndex,
  type Genesis,
  hashOf,
  keys,
  OuterloopError,
  type RunConfig,
  type SignedType,
  signedTypes,
  tensorsOf,
  verifyDataIndex,
  verifyGenesis,
  verifyObject,
} from "../../schemas/index.ts";
import { createSeedCheck } from "./seed-check.ts";

export interface RunView {
  readonly run: string;
  readonly api: ApiClient;
  readonly genesis: Fact<Genesis>;
  readonly data: DataIndex;
  readonly layout: UpdateLayout;
  readonly codec: Codec;
  /** The same for whole models: on background threads, in pieces. */
  readonly streams: Streams;
  /** Throws `wrong-seed` unless this is that link of the run's seed chain. */
  readonly checkSeed: (index: number, link: string) => void;
}

/** Reads and verifies what a run is made of. Typed errors: `no-such-run`, `wrong-genesis`, `wrong-data-index`. */
export async function openRunView(
  api: ApiClient,
  run: string,
  streams: Streams = loadStreams(),
): Promise<RunView> {
  const bytes = await api.object(keys.genesis(run));
  if (bytes === null) throw new OuterloopError("no-such-run", `${api.coordinator} has no run ${run}`);
  const genesis = verifyGenesis(run, bytes);
  const index = await api.object(keys.dataIndex(run));
  if (index === null) throw new OuterloopError("wrong-data-index", `the data index of ${run} is missing`);
  const { config } = genesis.body;
  return {
    run,
    api,
    genesis,
    data: verifyDataIndex(run, genesis.body, index),
    layout: createLayout(tensorsOf(config.model), config.outer.chunksPerShard),
    codec: loadCodec(),
    streams,
    checkSeed: createSeedCheck(genesis.body),
  };
}

/** A fact that the coordinator signed; null: not there yet. */
export async function readSigned<Type extends SignedType>(
  view: RunView,
  type: Type,
  key: string,
  signers: readonly string[] = view.genesis.body.keys.coordinator,
): Promise<Fact<z.infer<(typeof signedTypes)[Type]>> | null> {
  const bytes = await view.api.object(key);
  if (bytes === null) return null;
  const schema = signedTypes[type] as unknown as z.ZodType<z.infer<(typeof signedTypes)[Type]>>;
  const { body } = verifyObject(type, view.run, schema, key, bytes, { anyOf: signers });
  return { body, hash: hashOf(body) };
}

/** A fact that must be there by now (`missing-fact`). */
export async function requireSigned<Type extends SignedType>(
  view: RunView,
  type: Type,
  key: string,
): Promise<Fact<z.infer<(typeof signedTypes)[Type]>>> {
  const fact = await readSigned(view, type, key);
  if (fact === null)
    throw new OuterloopError("missing-fact", `${key} should be published by now, but is not`, { key });
  return fact;
}

/** The configuration with this hash: the genesis's, or one that a control announced. `unknown-config`: neither. */
export async function configOf(view: RunView, hash: string): Promise<RunConfig> {
  const { roots, config } = view.genesis.body;
  if (hashOf(config) === hash) return config;
  for (let number = 1; ; number++) {
    const key = keys.control(view.run, number);
    const bytes = await view.api.object(key);
    if (bytes === null) break;
    const { action } = verifyObject("control", view.run, control, key, bytes, { allOf: roots }).body;
    if (action.kind === "config" && hashOf(action.config) === hash) return action.config;
  }
  throw new OuterloopError(
    "unknown-config",
    `no control of run ${view.run} announces the configuration ${hash}`,
  );
}

/** The run asked for, or the newest that the coordinator serves. */
export async function chooseRun(api: ApiClient, wanted: string | undefined): Promise<string> {
  if (wanted !== undefined) return wanted;
  const { runs } = await api.runs();
  const last = runs.at(-1);
  if (last === undefined) throw new OuterloopError("no-such-run", `${api.coordinator} serves no run yet`);
  return last;
}
