/**
 * bfloat16, the upper half of a float32: the levels of a record, the values of a raw tensor, and vectors that trainers keep so.
 *
 * @module
 */

/** Largest finite bfloat16; a larger pattern is infinite, not a number, or negative. */
export const LARGEST_BFLOAT16 = 0x7f7f;

/** Numbers of a flat vector: f32, or bfloat16 as bits. */
export type Vector = Float32Array | Uint16Array;

/** Reads one element of either. */
export function readerOf(vector: Vector): (i: number) => number {
  if (vector instanceof Float32Array) return (i) => vector[i] as number;
  return (i) => fromBfloat16(vector[i] as number);
}

/** Writes one element of either, an f32 rounded to nearest even where the vector is bfloat16. */
export function writerOf(vector: Vector): (i: number, value: number) => void {
  if (vector instanceof Float32Array) {
    return (i, value) => {
      vector[i] = value;
    };
  }
  return (i, value) => {
    vector[i] = nearestBfloat16(value);
  };
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Rounds a magnitude (f32, not negative) to bfloat16 bits, nearest even, clamped to the largest finite value. */
export function toBfloat16(magnitude: number): number {
  float[0] = magnitude;
  const u = bits[0] as number;
  return Math.min((u + 0x7fff + ((u >>> 16) & 1)) >>> 16, LARGEST_BFLOAT16);
}

/** Rounds any f32 to bfloat16 bits, nearest even: what is too large becomes infinite. */
export function nearestBfloat16(value: number): number {
  float[0] = value;
  const u = bits[0] as number;
  const isNoNumber = (u & 0x7fffffff) > 0x7f800000;
  return isNoNumber ? 0x7fc0 : ((u + 0x7fff + ((u >>> 16) & 1)) >>> 16) & 0xffff;
}

/** The value of bfloat16 bits, sign included, exact. */
export function fromBfloat16(half: number): number {
  bits[0] = half << 16;
  return float[0] as number;
}
