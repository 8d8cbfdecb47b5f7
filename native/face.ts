/**
 * The typed face of the codec: what both backends do.
 *
 * @module
 */
import type { Vector } from "./bfloat16.ts";
import type { ParsedShard } from "./container.ts";
import type { Expected } from "./container-head.ts";
import type { Backend } from "./kernels.ts";
import type { UpdateLayout } from "./layout.ts";
import type { KeepCount } from "./record.ts";
import type { AggregateInput, ParsedAggregate } from "./sla.ts";

/** Settings of one compression. */
export interface CompressOptions {
  round: number;
  k: KeepCount;
  /** Decay of the error state, 0..1; rounded to f32. */
  beta: number;
}

/** What a vector given to the codec covers: all parameters, or exactly the elements of the shard. */
export type Extent = "model" | "shard";

/** Compression, parsing and the outer step. Every function throws an `OuterloopError` and nothing else. */
export interface Codec {
  readonly backend: Backend;

  /**
   * x = beta * e + delta; update = Q(TopK(x)); e' = x - update, for the whole model, in one pass. The new error state has memory
   * of its own, so nothing is lost where an element is not finite: swap both on success.
   *
   * @param delta - pseudo-gradient, f32 or bfloat16 as bits (widened, which is exact) `[parameters]`
   * @param error - e, f32 `[parameters]`; stays as it is
   * @param next - receives e', f32 `[parameters]`; must not share memory with `delta` or `error`, and holds nothing of use after
   *   an error
   * @returns one SLC1 object per shard.
   * @throws `non-finite-value` with the lowest `element` and its `cause` (`delta`, `error-state`, `overflow`).
   */
  compressUpdate(
    layout: UpdateLayout,
    delta: Vector,
    error: Float32Array,
    next: Float32Array,
    options: CompressOptions,
  ): Uint8Array<ArrayBuffer>[];

  /**
   * Reads an untrusted object, checking every field and record.
   *
   * @throws `invalid-container`, `invalid-record`, `invalid-raw-value`.
   */
  parseShard(bytes: Uint8Array, expected: Expected): ParsedShard;

  /** Squared norm of each tensor part of the shard, in table order, computed from the records. */
  squaredNorms(shard: ParsedShard): Float64Array;

  /** Dense values, f32 `[shard.elements]`. */
  decode(shard: ParsedShard): Float32Array<ArrayBuffer>;

  /** The same, front to back, a tile at a time: each is good until the next one is asked for. */
  decodeTiles(shard: ParsedShard): Generator<Float32Array>;

  /**
   * out_i <- f32(out_i + f32(value_i * factor)) at every kept entry and raw element; others keep their bits.
   *
   * @param factor - finite; rounded to f32
   * @param extent - what `out` covers, the whole model unless told
   */
  addScaled(shard: ParsedShard, factor: number, out: Float32Array, extent?: Extent): void;

  /** Kept indices of one chunk of the shard, ascending, 0..4095, u16 `[k]`. */
  support(shard: ParsedShard, chunk: number): Uint16Array<ArrayBuffer>;

  /** The exact aggregate of one shard; see `sla.ts`. A pure function of its input. */
  buildAggregate(input: AggregateInput): Uint8Array<ArrayBuffer>;

  /**
   * Reads an untrusted aggregate.
   *
   * @throws `invalid-aggregate`, `invalid-record`, `invalid-raw-value`.
   */
  parseAggregate(bytes: Uint8Array, expected: Expected): ParsedAggregate;

  /**
   * The outer step theta <- theta - alpha * sum a_p * update_p on one shard: peers ascending, then one apply.
   *
   * @param alphaBits - outer learning rate as f32 bits, hex; finite, not negative
   * @param theta - f32, or bfloat16 as bits; stays as it is
   * @param next - of the same type; receives the shard's elements of the result; theta itself, or memory of its own
   * @param extent - what both cover, the whole model unless told
   * @throws `non-finite-result` with `shard` and the lowest `element` (of the flat vector); then `next` holds nothing of use.
   */
  applyAggregate(
    aggregate: ParsedAggregate,
    alphaBits: string,
    theta: Vector,
    next: Vector,
    extent?: Extent,
  ): void;
}
