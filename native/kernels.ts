/**
 * The bulk work on records, the only thing in which the two backends differ.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises";
import { aggregate } from "./aggregate.ts";
import type { Vector } from "./bfloat16.ts";
import { compress } from "./compress.ts";
import { crc32c } from "./crc32c.ts";
import { addScaled, decode, findInvalid, recordNorms } from "./decode.ts";
import { type KeepCount, recordFormat } from "./record.ts";

/** Which implementation does the bulk work. */
export type Backend = "native" | "reference";

/**
 * Each function works on one tensor part whose chunks are whole but for the last. All results are byte-identical
 * between backends. Vectors are f32 `[elements]`; delta, and theta with its next, may be bfloat16 bits instead. Records are `[chunks x recordBytes]` unless said otherwise;
 * numbers given must be f32 values.
 */
export interface Kernels {
  readonly backend: Backend;
  /** Error feedback and compression: e after goes to `next`. Lowest element where beta * e + delta is not finite, or -1. */
  compress(
    delta: Vector,
    error: Float32Array,
    next: Float32Array,
    beta: number,
    k: KeepCount,
    records: Uint8Array,
  ): number;
  /** Position of the first record that is not valid, or -1; `records` is chunk-major `[chunks x peers]`. */
  findInvalid(records: Uint8Array, k: KeepCount, elements: number, peers: number): number;
  /** Squared norm of each record, f64 `[chunks]`. */
  recordNorms(records: Uint8Array, k: KeepCount, norms: Float64Array): void;
  /** Dense values. */
  decode(records: Uint8Array, k: KeepCount, out: Float32Array): void;
  /** Adds value * factor at every kept entry. */
  addScaled(records: Uint8Array, k: KeepCount, factor: number, out: Float32Array): void;
  /** The outer step into `next`, which may be theta; lowest element that is not finite, or -1. Records chunk-major. */
  aggregate(
    records: Uint8Array,
    k: KeepCount,
    coefficients: Float32Array,
    alpha: number,
    theta: Vector,
    next: Vector,
  ): number;
  /** CRC-32C of bytes that stand behind others, whose CRC is `before` (0: there are none). */
  crc32c(bytes: Uint8Array, before: number): number;
  readonly background: BackgroundKernels;
}

/**
 * The same on another thread: the native ones on libuv's pool, those of the reference in a turn of their own. All arrays must lie in
 * SharedArrayBuffers (`TypeError`), which nobody can take away meanwhile; who writes to them meanwhile gets a result of whatever was
 * read.
 */
export interface BackgroundKernels {
  compress(...args: Parameters<Kernels["compress"]>): Promise<number>;
  aggregate(...args: Parameters<Kernels["aggregate"]>): Promise<number>;
}

/** The same kernels with nothing in the background: what is asked for is done at once, in the thread that asks. */
export function inForeground(kernels: Kernels): Kernels {
  return {
    ...kernels,
    background: {
      compress: async (...args) => kernels.compress(...args),
      aggregate: async (...args) => kernels.aggregate(...args),
    },
  };
}

/** The readable implementation: oracle of every other one, and what runs where no addon can be loaded. */
export const referenceKernels: Kernels = {
  backend: "reference",
  compress: (delta, error, next, beta, k, records) =>
    compress(delta, error, next, beta, recordFormat(k), records),
  findInvalid: (records, k, elements, peers) => findInvalid(records, recordFormat(k), elements, peers),
  recordNorms: (records, k, norms) => recordNorms(records, recordFormat(k), norms),
  decode: (records, k, out) => decode(records, recordFormat(k), out),
  addScaled: (records, k, factor, out) => addScaled(records, recordFormat(k), factor, out),
  aggregate: (records, k, coefficients, alpha, theta, next) =>
    aggregate(records, recordFormat(k), coefficients, alpha, theta, next),
  crc32c,
  background: {
    compress: (...args) => setImmediate().then(() => referenceKernels.compress(...args)),
    aggregate: (...args) => setImmediate().then(() => referenceKernels.aggregate(...args)),
  },
};
