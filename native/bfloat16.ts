/**
 * bfloat16, the upper half of a float32: the levels of a record and the values of a raw tensor.
 *
 * @module
 */

/** Largest finite bfloat16; a larger pattern is infinite, not a number, or negative. */
export const LARGEST_BFLOAT16 = 0x7f7f;

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Rounds a magnitude (f32, not negative) to bfloat16 bits, nearest even, clamped to the largest finite value. */
export function toBfloat16(magnitude: number): number {
  float[0] = magnitude;
  const u = bits[0] as number;
  return Math.min((u + 0x7fff + ((u >>> 16) & 1)) >>> 16, LARGEST_BFLOAT16);
}

/** The value of bfloat16 bits, exact. */
export function fromBfloat16(half: number): number {
  bits[0] = half << 16;
  return float[0] as number;
}
