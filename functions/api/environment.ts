/**
 * What the API is given.
 *
 * @module
 */
import type { SigningKey } from "../../schemas/index.ts";
import type { RunContext } from "../rounds/run-context.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import type { Queue } from "../storage/queue.ts";
import type { Log } from "../triggers/environment.ts";

export interface ApiEnvironment {
  readonly store: ObjectStore;
  /** Where ticks go. */
  readonly ticks: Queue;
  /** Where evaluators lease their jobs. */
  readonly jobs: Queue;
  /** The key of a run that signs its acknowledgements. */
  key(run: string): Promise<SigningKey>;
  /** Host and port that signatures must cover, from configuration: `127.0.0.1:4650`. */
  readonly authority: string;
  /** This machine's clock, milliseconds since 1970 (the system's): signatures are of now. */
  readonly now?: () => number;
  /** How soon a peer may ask again. */
  readonly pollAfterSeconds: number;
  /**
   * How long the API may hold back an answer that has not changed. 0 where waiting is paid for: a stream of events, too,
   * then ends after one picture, and the page asks again.
   */
  readonly holdSeconds: number;
  /** Opens a run once and keeps it (`no-such-run`). */
  run(run: string): Promise<RunContext>;
  /** The last round seen open in a run; undefined: none yet. */
  openRound(run: string): number | undefined;
  /** Calls back when something may have changed in a run; returns the unsubscriber. */
  onChange(run: string, listener: () => void): () => void;
  readonly objects: ObjectAccess;
  /** Told of every request that failed through no fault of its sender. */
  readonly log: Log;
  /** Set where a store posts its notifications to the API: the queue they go to, and the sender's token. */
  readonly notifications?: { queue: Queue; token: string };
}

/**
 * How `/objects` is answered: by the API itself, which then also takes uploads (with the secret of its tickets), or by
 * sending readers on to the store (`publicUrl`: to a cache in front of it).
 */
export type ObjectAccess =
  | { kind: "served"; ticketSecret: Uint8Array }
  | { kind: "redirected"; publicUrl: string | undefined };
