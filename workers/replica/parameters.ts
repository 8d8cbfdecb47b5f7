/**
 * The agreed parameters as this process holds them: after which manifest, and the outer step from one to the next.
 *
 * @module
 */

import type { Fact } from "../../functions/coordinator/facts.ts";
import { stateHash as hashOfShards } from "../../functions/coordinator/state-check.ts";
import { readBytes } from "../../native/codec.ts";
import { shardOf } from "../../native/layout.ts";
import {
  isOuterloopError,
  keys,
  type Manifest,
  OuterloopError,
  type ShardFile,
  type State,
  sha256,
  toHex,
} from "../../schemas/index.ts";
import { type RunView, readSigned } from "./run-view.ts";

const MALFORMED = new Set(["invalid-aggregate", "invalid-record", "invalid-raw-value"]);

/** Parameters after a round; round 0 is the genesis. */
export interface AgreedParameters {
  round: number;
  /** Hash of that round's manifest (of the genesis for round 0). */
  manifest: string;
  /** f32 [parameters] */
  theta: Float32Array;
}

/** Bytes of an element range of a flat vector. */
export function bytesOf(vector: Float32Array, first = 0, elements = vector.length): Uint8Array {
  return new Uint8Array(vector.buffer, vector.byteOffset + 4 * first, 4 * elements);
}

/** SHA-256 over the shards' SHA-256: what a peer signs about its own parameters. */
export function stateHash(view: RunView, theta: Float32Array): string {
  return hashOfShards(
    view.layout.shards.map(({ first, elements }) => sha256(bytesOf(theta, first, elements))),
  );
}

/** Parameters that are published: of which round, after which manifest, in which shards. */
export type PublishedState = Pick<State, "round" | "manifest" | "stateHash" | "shards">;

/** What is signed about the parameters after a round. Null: they are not published. */
async function publishedState(view: RunView, round: number): Promise<PublishedState | null> {
  const { run, genesis, layout } = view;
  const state =
    round === 0
      ? { round, manifest: genesis.hash, ...genesis.body.state }
      : (await readSigned(view, "state", keys.state(run, round)))?.body;
  if (state === undefined) return null;
  const { shards, stateHash } = state;
  const isOfLayout =
    shards.length === layout.shards.length &&
    shards.every(({ sizeBytes }, i) => sizeBytes === 4 * (layout.shards[i]?.elements ?? 0));
  if (!isOfLayout || hashOfShards(shards.map((file) => file.sha256)) !== stateHash) {
    throw new OuterloopError(
      "wrong-state",
      `the state of round ${round} does not name the shards of its own hash, or not all of their bytes`,
    );
  }
  return state;
}

/** Downloads published parameters and checks every hash. */
export async function downloadParameters(view: RunView, state: PublishedState): Promise<AgreedParameters> {
  const theta = new Float32Array(view.layout.parameters);
  await Promise.all(state.shards.map((file) => downloadShard(view, state.round, file, theta)));
  return { round: state.round, manifest: state.manifest, theta };
}

/** The published parameters after a round. Null: there are none. */
export async function downloadState(view: RunView, round: number): Promise<AgreedParameters | null> {
  const state = await publishedState(view, round);
  return state && downloadParameters(view, state);
}

async function downloadShard(
  view: RunView,
  round: number,
  file: ShardFile,
  theta: Float32Array,
): Promise<void> {
  const key = keys.stateShard(view.run, round, file.shard);
  const bytes = await view.api.object(key, file.sizeBytes);
  const shape = view.layout.shards[file.shard];
  if (
    bytes === null ||
    shape === undefined ||
    bytes.length !== 4 * shape.elements ||
    sha256(bytes) !== file.sha256
  ) {
    throw new OuterloopError("wrong-state", `${key} is missing or not the one that was signed`, { key });
  }
  bytesOf(theta, shape.first, shape.elements).set(bytes);
}

/** A place in the chain of manifests. */
type Place = Pick<AgreedParameters, "round" | "manifest">;

/** The next manifest in the chain; null: not published yet. It must name the one before it (`broken-chain`). */
export async function nextManifest(view: RunView, current: Place): Promise<Fact<Manifest> | null> {
  const manifest = await readSigned(view, "manifest", keys.manifest(view.run, current.round + 1));
  if (manifest !== null && manifest.body.previousManifest !== current.manifest) {
    throw new OuterloopError(
      "broken-chain",
      `manifest ${current.round + 1} builds on ${manifest.body.previousManifest}, this process on ${current.manifest}: ` +
        "the coordinator shows two histories; stop and compare with other peers",
    );
  }
  return manifest;
}

/**
 * theta <- theta - alpha * sum a_p update_p, on a copy: all shards are taken, or none. An empty or void round changes
 * nothing but the place in the chain.
 */
export async function outerStep(
  view: RunView,
  current: AgreedParameters,
  manifest: Fact<Manifest>,
): Promise<AgreedParameters> {
  const { round, outcome, set, aggregates, alpha, keep } = manifest.body;
  const next: AgreedParameters = { round, manifest: manifest.hash, theta: current.theta };
  if (outcome !== "applied" || set === null) return next;
  const { layout, streams, run, api } = view;
  if (aggregates.length !== layout.shards.length || aggregates.some(({ shard }, i) => shard !== i)) {
    throw new OuterloopError(
      "wrong-manifest",
      `manifest ${round} must name the aggregates of shards 0 to ${layout.shards.length - 1}, in order`,
    );
  }
  const theta = new Float32Array(layout.parameters);
  const objects = await Promise.all(
    aggregates.map(({ shard, sizeBytes }) => api.object(keys.aggregate(run, round, shard, set), sizeBytes)),
  );
  for (const [shard, file] of aggregates.entries()) {
    const bytes = objects[shard];
    const part = shardOf(layout, shard);
    const expected = { layout, shard, round, k: keep };
    const range = (vector: Float32Array) => vector.subarray(part.first, part.first + part.elements);
    const ends = { theta: range(current.theta), next: range(theta), alphaBits: alpha };
    const hash = bytes && (await streams.apply(expected, readBytes(bytes), ends).catch(noneIfMalformed));
    // An aggregate has no other protection over its records.
    if (!hash || toHex(hash) !== file.sha256) {
      throw new OuterloopError(
        "wrong-aggregate",
        `aggregate ${shard} of round ${round} is not the one the manifest names`,
      );
    }
  }
  next.theta = theta;
  return next;
}

/** What no coordinator makes cannot be what its manifest names. */
function noneIfMalformed(error: unknown): null {
  if (isOuterloopError(error) && MALFORMED.has(error.code)) return null;
  throw error;
}

/** Follows the chain as far as it goes, or to `until`. `onStep` sees every round on the way. */
export async function follow(
  view: RunView,
  from: AgreedParameters,
  options: {
    until?: number;
    onStep?: (step: {
      before: AgreedParameters;
      after: AgreedParameters;
      manifest: Fact<Manifest>;
    }) => Promise<void>;
  } = {},
): Promise<AgreedParameters> {
  let current = from;
  while (current.round < (options.until ?? Number.MAX_SAFE_INTEGER)) {
    const manifest = await nextManifest(view, current);
    if (manifest === null) break;
    const after = await outerStep(view, current, manifest);
    await options.onStep?.({ before: current, after, manifest });
    current = after;
  }
  return current;
}

/**
 * Reads the chain from one place to published parameters without taking its steps, and one link further, which says what they must be
 * (where it says so: of a state that was published late it does not). `missing-fact`: the chain does not go that far; `broken-chain`:
 * it leads elsewhere.
 */
export async function checkChain(view: RunView, from: Place, state: PublishedState): Promise<void> {
  let at = from;
  for (;;) {
    const atState = at.round === state.round;
    if (atState && at.manifest !== state.manifest) throw anotherHistory(state);
    const next = await nextManifest(view, at);
    if (next === null && atState) return;
    if (next === null)
      throw new OuterloopError(
        "missing-fact",
        `manifest ${at.round + 1} of run ${view.run} is missing, though state ${state.round} is there`,
      );
    if (atState) {
      const { baseState } = next.body;
      if (baseState !== null && baseState.stateHash !== state.stateHash) throw anotherHistory(state);
      return;
    }
    at = { round: next.body.round, manifest: next.hash };
  }
}

function anotherHistory({ round }: PublishedState): OuterloopError {
  return new OuterloopError(
    "broken-chain",
    `the published parameters of round ${round} are of another history than the manifests that lead there: ` +
      "stop and compare with other peers",
  );
}

/** What is published last at or before a round, but not before `first`; null: nothing. */
export async function newestPublished(
  view: RunView,
  round: number,
  first = 0,
): Promise<PublishedState | null> {
  const { stateEveryRounds } = view.genesis.body.config;
  for (let at = round - (round % stateEveryRounds); at >= first; at -= stateEveryRounds) {
    const state = await publishedState(view, at);
    if (state !== null) return state;
  }
  return null;
}

/** The newest published parameters at or before a round: where a process without any begins. */
export async function newestState(view: RunView, round: number): Promise<AgreedParameters> {
  const state = await newestPublished(view, round);
  if (state !== null) return downloadParameters(view, state);
  throw new OuterloopError(
    "missing-fact",
    `run ${view.run} has no published parameters, not even the initial ones`,
  );
}
