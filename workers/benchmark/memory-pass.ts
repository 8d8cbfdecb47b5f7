/**
 * How fast this machine moves memory at this moment: the baseline of everything that a codec does to large vectors.
 *
 * @module
 */
import { secondsOf } from "./spread.ts";

/** Far beyond any cache. */
const BYTES = 128 * 1024 * 1024;

/** A copy of one large array into another, on one core. Bytes read plus bytes written, per second. */
export function createMemoryPass(): () => number {
  const from = new Float32Array(BYTES / 4).fill(1);
  const to = new Float32Array(BYTES / 4);
  // The first pass also pays for the pages of the target.
  to.set(from);
  return () => (2 * BYTES) / secondsOf(() => to.set(from));
}
