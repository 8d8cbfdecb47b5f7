/**
 * From a trained model to a payload: pseudo-gradient, compression with error feedback, commit.
 *
 * @module
 */
import { proofRanges, stateProof } from "../../functions/coordinator/state-check.ts";
import { type Commit, f32FromHex, type Roster, sha256 } from "../../schemas/index.ts";
import { bytesOf, stateHash } from "../replica/parameters.ts";
import type { RunView } from "../replica/run-view.ts";
import type { TrainingResult } from "./inner-loop.ts";
import type { PeerState } from "./peer-state.ts";

/**
 * Delta = theta(t) - theta_p(t, H); update = Q(TopK(beta e + Delta)). Returns the state to be saved before the commit
 * is sent, so that a restart sends the very same bytes.
 */
export function compressRound(
  view: RunView,
  peer: string,
  roster: Roster,
  state: PeerState,
  trained: TrainingResult,
): PeerState {
  const { layout, codec } = view;
  const delta = state.parameters.map((value, i) => value - (trained.parameters[i] ?? Number.NaN));
  const error = new Float32Array(layout.parameters);
  const shards = codec.compressUpdate(layout, delta, state.error, error, {
    round: roster.round,
    k: roster.keep,
    beta: f32FromHex(roster.beta),
  });
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
