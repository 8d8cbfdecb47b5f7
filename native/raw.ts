/**
 * Raw tensors: those of fewer than 4096 elements (norms, biases) travel as one bfloat16 per element, sign in bit
 * 15, u16 little-endian. They are a vanishing share of a model, so both backends use this code.
 *
 * @module
 */
import { fromBfloat16, readerOf, toBfloat16, type Vector, writerOf } from "./bfloat16.ts";

const { fround } = Math;

/**
 * Error feedback and rounding: x = e * beta + delta, stored; next <- x - stored.
 *
 * @param raw - receives 2 bytes per element
 * @returns the lowest element whose sum is not finite, or -1; then `next` and `raw` hold nothing of use.
 */
export function compressRaw(
  delta: Vector,
  error: Float32Array,
  next: Float32Array,
  beta: number,
  raw: Uint8Array,
): number {
  const deltaAt = readerOf(delta);
  for (let i = 0; i < delta.length; i++) {
    const x = fround(fround((error[i] as number) * beta) + deltaAt(i));
    if (!Number.isFinite(x)) return i;
    const isNegative = x < 0 || Object.is(x, -0);
    const half = toBfloat16(Math.abs(x)) | (isNegative ? 0x8000 : 0);
    raw[2 * i] = half & 0xff;
    raw[2 * i + 1] = half >>> 8;
    next[i] = x - fromBfloat16(half);
  }
  return -1;
}

/** Value of one raw element. */
export function rawValue(raw: Uint8Array, i: number): number {
  return fromBfloat16(rawBits(raw, i));
}

/** The first raw value that is not finite, or -1. */
export function findInvalidRaw(raw: Uint8Array): number {
  for (let i = 0; 2 * i < raw.length; i++) if ((rawBits(raw, i) & 0x7f80) === 0x7f80) return i;
  return -1;
}

/** Sum of the squares, in f64, elements ascending. */
export function rawNorm(raw: Uint8Array): number {
  let sum = 0;
  for (let i = 0; 2 * i < raw.length; i++) sum += rawValue(raw, i) ** 2;
  return sum;
}

/** Dense values; `out` is `[elements]`. */
export function decodeRaw(raw: Uint8Array, out: Float32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = rawValue(raw, i);
}

/** out_i <- f32(out_i + f32(value_i * factor)). */
export function addScaledRaw(raw: Uint8Array, factor: number, out: Float32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = (out[i] as number) + fround(rawValue(raw, i) * factor);
}

/**
 * The outer step on raw elements; see `aggregate.ts`.
 *
 * @param raw - element-major: element 0 of peer 0, of peer 1, ...
 * @returns the lowest element of `next` that is not finite, or -1.
 */
export function aggregateRaw(
  raw: Uint8Array,
  coefficients: Float32Array,
  alpha: number,
  theta: Vector,
  next: Vector,
): number {
  const thetaAt = readerOf(theta);
  const nextAt = readerOf(next);
  const write = writerOf(next);
  let at = 0;
  let nonFinite = -1;
  for (let i = 0; i < theta.length; i++) {
    let sum = 0;
    for (const coefficient of coefficients) sum = fround(sum + fround(rawValue(raw, at++) * coefficient));
    write(i, fround(thetaAt(i) - fround(alpha * sum)));
    if (nonFinite < 0 && !Number.isFinite(nextAt(i))) nonFinite = i;
  }
  return nonFinite;
}

function rawBits(raw: Uint8Array, i: number): number {
  return (raw[2 * i] as number) | ((raw[2 * i + 1] as number) << 8);
}
