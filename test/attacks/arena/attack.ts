/**
 * What an attack is: who comes, and what they send. An attacker of the arena knows more than a real one could: it sees the
 * honest updates of the round before it sends its own.
 *
 * @module
 */
import type { Draw } from "../../../functions/coordinator/draws.ts";
import type { Commit, Report, Roster, RunConfig, SigningKey } from "../../../schemas/index.ts";
import type { PeerState } from "../../../workers/peer/peer-state.ts";
import type { RunView } from "../../../workers/replica/run-view.ts";

/** What an honest peer sends in a round. */
export interface HonestUpdate {
  peer: string;
  position: number;
  shards: Uint8Array[];
  /** The values it decodes to, f32 [parameters]. */
  values: Float32Array;
}

/** A round as one attacking key sees it. */
export interface Scene {
  round: number;
  /** Which of the attack's keys this is, from 0. */
  index: number;
  keys: readonly SigningKey[];
  view: RunView;
  roster: Roster;
  /** Place in the roster. */
  position: number;
  state: PeerState;
  /** Randomness of this key in this round. */
  draw: Draw;
  honest: readonly HonestUpdate[];
  /** Of earlier rounds, by round. */
  history: ReadonlyMap<number, readonly HonestUpdate[]>;
  /** What this key has sent so far, by round. */
  own: ReadonlyMap<number, Float32Array>;
  /** Shared by all keys of the attack, over the whole run. */
  memory: Map<string, unknown>;
  /** Trains as the peer at a position of the roster would (its own, if not given): the pseudo-gradient, f32 [parameters]. */
  train(options?: { position?: number; steps?: number }): Promise<Float32Array>;
}

/**
 * What a key sends: an update (compressed with the key's own error feedback, or as it is), bytes of its own making, a commit
 * without an upload, or nothing. `lateSeconds`: it is uploaded so long after everybody else's.
 */
export type Sent =
  | {
      kind: "delta";
      delta: Float32Array;
      feedback?: boolean;
      commit?: (commit: Commit) => Commit;
      lateSeconds?: number;
    }
  | { kind: "shards"; shards: Uint8Array[]; commit?: (commit: Commit) => Commit; lateSeconds?: number }
  | { kind: "commit-only" }
  | { kind: "nothing" };

export interface Attack {
  /** A few words. */
  name: string;
  /** What it does, in a sentence. */
  what: string;
  /** Keys that attack as peers. */
  keys: number;
  /** True if this key announces itself in this round (always). */
  announces?(round: number, index: number): boolean;
  submit?(scene: Scene): Promise<Sent>;
  /** How many of the three evaluators are the attacker's. */
  evaluators?: number;
  /** What such an evaluator says instead of the truth; null: nothing. */
  report?(
    truth: Report,
    scene: { round: number; keys: readonly string[]; earlier: readonly Report[] },
  ): Report | null;
  /** True: in this round no evaluator gets to what judges the attackers before the selection is made. */
  slowEvaluators?(round: number): boolean;
  /** What the run is configured with. */
  config?(config: RunConfig): RunConfig;
}
