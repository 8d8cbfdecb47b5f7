/**
 * What the API is given.
 *
 * @module
 */
import type { SigningKey } from "../../schemas/index.ts";
import type { RunContext } from "../rounds/run-context.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import type { Queue } from "../storage/queue.ts";

export interface ApiEnvironment {
  readonly store: ObjectStore;
  /** Where ticks go. */
  readonly functions: Queue;
  /** Where evaluators lease their jobs. */
  readonly jobs: Queue;
  /** Signs acknowledgements. */
  readonly key: SigningKey;
  /** Host and port that signatures must cover, from configuration: `127.0.0.1:4650`. */
  readonly authority: string;
  /** How soon a peer may ask again. */
  readonly pollAfterSeconds: number;
  /** How long the API may hold back an answer that has not changed; 0 where waiting is paid for. */
  readonly holdSeconds: number;
  /** Opens a run once and keeps it (`no-such-run`). */
  run(run: string): Promise<RunContext>;
  /** The last round seen open in a run, a hint. */
  openRound(run: string): number;
  /** Calls back when something may have changed in a run; returns the unsubscriber. */
  onChange(run: string, listener: () => void): () => void;
  /** Set where the API itself serves objects: the secret of its tickets. */
  readonly ticketSecret: Uint8Array | undefined;
}
