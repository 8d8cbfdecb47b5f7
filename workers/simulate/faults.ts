/**
 * What can go wrong, how often it does in the world of one seed, and how often it did.
 *
 * @module
 */
import { Random } from "./random.ts";

/** Every kind of fault, with the highest rate (per opportunity) at which a seed may have it. */
const HIGHEST = {
  /** The store's notification of an upload never comes, comes twice, or late and so out of order. */
  "event-lost": 0.5,
  "event-doubled": 0.3,
  "event-delayed": 0.5,
  /** A queue delivers a message twice, or late, or once more while who took it is still at work. */
  "message-doubled": 0.2,
  "message-delayed": 0.3,
  "lease-ends": 0.05,
  /** 503 of store or queue: nothing happened. */
  "store-busy": 0.04,
  "queue-busy": 0.04,
  /** It happened, but the answer never came. */
  "store-answer-lost": 0.04,
  "queue-answer-lost": 0.04,
  /** The answer was lost, the adapter asked again, and met its own first try. */
  "store-retried": 0.1,
  /** Seconds instead of milliseconds: what was read is old when it arrives. */
  "store-slow": 0.05,
  /** A listing comes in pages of a few keys; between two of them others go on. */
  "small-pages": 0.3,
  /** A function dies between any two of its requests: its memory is gone, its message comes again. */
  "function-crash": 0.01,
  /** A request to the API or its answer is lost on the way. */
  "request-lost": 0.05,
  "answer-lost": 0.05,
  /** A peer's process dies, and starts again after a while on what it had saved; or it stays away for good. */
  "peer-crash": 0.01,
  "peer-vanishes": 0.3,
  /** A peer trains so long that it comes late, runs twice with one key, or sends what it should not. */
  "peer-late": 0.2,
  "peer-twice": 0.2,
  "peer-lies": 0.3,
  /** An evaluator dies in mid-job and comes back after a while, or never. */
  "evaluator-crash": 0.02,
  "evaluator-vanishes": 0.2,
  /** A machine's clock is off: a member's by up to 25 s, a function's by up to 4 s. */
  "clock-skew": 0.5,
  /** The operator pauses, resumes, aborts, or changes configuration or keys in mid-round. */
  operator: 0.5,
  /** Store, queues or both answer nobody for minutes. */
  outage: 0.3,
} as const;

export type FaultKind = keyof typeof HIGHEST;
export const faultKinds = Object.keys(HIGHEST) as FaultKind[];
/** How often each kind struck. */
export type FaultCounts = Record<FaultKind, number>;

export function noFaults(): FaultCounts {
  return Object.fromEntries(faultKinds.map((kind) => [kind, 0])) as FaultCounts;
}

export class Faults {
  readonly counts = noFaults();
  /** True: the world is quiet from now on, and everything must come to its end. */
  over = false;
  readonly #rates = new Map<FaultKind, number>();
  readonly #streams = new Map<FaultKind, Random>();
  readonly #onStrike: (kind: FaultKind) => void;

  /** Of all kinds, only those in `kinds` strike; each of them is absent, rare or frequent in this seed. */
  constructor(seed: number, kinds: readonly FaultKind[], onStrike: (kind: FaultKind) => void) {
    this.#onStrike = onStrike;
    for (const kind of faultKinds) {
      const stream = new Random(seed, `fault ${kind}`);
      this.#streams.set(kind, stream);
      const rate = stream.chance(0.4) ? 0 : HIGHEST[kind] * stream.pick([0.1, 0.3, 1]);
      this.#rates.set(kind, kinds.includes(kind) ? rate : 0);
    }
  }

  /** Whether this kind strikes now. */
  strikes(kind: FaultKind): boolean {
    if (this.over || !this.stream(kind).chance(this.#rates.get(kind) ?? 0)) return false;
    this.counts[kind] += 1;
    this.#onStrike(kind);
    return true;
  }

  /** The randomness of a kind: how long, how much. */
  stream(kind: FaultKind): Random {
    return this.#streams.get(kind) as Random;
  }
}
