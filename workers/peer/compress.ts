/**
 * From a trained model to a payload: pseudo-gradient, compression with error feedback, commit.
 *
 * @module
 */
import { proofRanges, stateProof } from "../../functions/coordinator/state-check.ts";
import { type Source, shardSizeBytes, writeBytes } from "../../native/codec.ts";
import { type Commit, f32FromHex, type Roster, sha256 } from "../../schemas/index.ts";
import { bytesOf, stateHash } from "../replica/parameters.ts";
import type { RunView } from "../replica/run-view.ts";
import type { TrainingResult } from "./inner-loop.ts";
import type { PeerState } from "./peer-state.ts";

/**
 * Delta = theta(t) - theta_p(t, H); update = Q(TopK(beta e + Delta)). Returns the state to be saved before the commit
 * is sent, so that a restart sends the very same bytes.
 */
export async function compressRound(
  view: RunView,
  peer: string,
  roster: Roster,
  state: PeerState,
  trained: TrainingResult,
  signal?: AbortSignal,
): Promise<PeerState> {
  const { layout, streams } = view;
  const { round, keep: k } = roster;
  const error = new Float32Array(layout.parameters);
  const shards: Uint8Array[] = [];
  for (const part of layout.shards) {
    const object = new Uint8Array(shardSizeBytes(part, k));
    const range = (vector: Float32Array) => vector.subarray(part.first, part.first + part.elements);
    const [before, after] = [range(state.parameters), range(trained.parameters)];
    const delta: Source = {
      elements: part.elements,
      read(first, into) {
        for (let i = 0; i < into.length; i++)
          into[i] = (before[first + i] as number) - (after[first + i] as number);
      },
    };
    const ends = { delta, error: range(state.error), next: range(error), beta: f32FromHex(roster.beta) };
    await streams.compress({ layout, shard: part.number, round, k }, ends, writeBytes(object), { signal });
    shards.push(object);
  }
  const slices = proofRanges(roster.seed, layout.parameters).map(({ start, end }) =>
    bytesOf(state.parameters, start, end - start),
  );
  const commit: Commit = {
    round: roster.round,
    peer,
    manifest: state.manifest,
    stateHash: stateHash(view, state.parameters),
    stateProof: stateProof(roster.seed, peer, slices),
    shards: shards.map((bytes, shard) => ({ shard, sizeBytes: bytes.length, sha256: sha256(bytes) })),
    claimed: {
      innerSteps: trained.innerSteps - state.innerSteps,
      tokens: trained.tokens,
      meanLoss: trained.meanLoss,
    },
  };
  return {
    ...state,
    innerSteps: trained.innerSteps,
    error,
    m: trained.m,
    v: trained.v,
    pending: { round: roster.round, commit, shards },
  };
}
