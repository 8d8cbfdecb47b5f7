/**
 * The matrix residual. M[p][q] is the LossScore of p's update on q's assigned data; z_p = own - row - column + rest
 * removes "a good update" and "an easy batch" and points at who did not train its own data.
 *
 * @module
 */
import { lowerMedian } from "../norms.ts";

/** With fewer owners in a group there is nothing to compare: the assignment score is kept. */
export const MIN_OWNERS = 4;
/** m_p <- KEEP * m_p + (1 - KEEP) * clip(z_p / s, -1, 1). */
const KEEP = 0.9;
/** Below this many values the median replaces the trimmed mean. */
const MEDIAN_BELOW = 4;
/** Share cut off at both ends. */
const TRIM = 0.2;

export interface Residual {
  own: number;
  row: number;
  column: number;
  rest: number;
  z: number;
}

/**
 * Mean after a fifth (at least one) is cut off both ends, the median below 4 values, over finite values; 0 of nothing.
 * One huge entry cannot steer it.
 */
export function trimmedMean(values: readonly number[]): number {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  const n = sorted.length;
  if (n === 0) return 0;
  if (n < MEDIAN_BELOW) {
    return ((sorted[Math.floor((n - 1) / 2)] ?? 0) + (sorted[Math.floor(n / 2)] ?? 0)) / 2;
  }
  const cut = Math.max(1, Math.floor(n * TRIM));
  const kept = sorted.slice(cut, n - cut);
  return kept.reduce((sum, value) => sum + value, 0) / kept.length;
}

/**
 * Residuals of all owners of a group; null for fewer than {@link MIN_OWNERS}.
 * `helps[p]`: LossScore of p is above 0; only such updates make columns and rest.
 */
export function residuals(
  matrix: readonly (readonly number[])[],
  helps: readonly boolean[],
): Residual[] | null {
  const owners = matrix.map((_, p) => p);
  if (owners.length < MIN_OWNERS) return null;
  const entry = (p: number, q: number) => matrix[p]?.[q] ?? Number.NaN;
  return owners.map((p) => {
    const others = owners.filter((q) => q !== p);
    const judges = others.filter((i) => helps[i]);
    const own = entry(p, p);
    const row = trimmedMean(others.map((q) => entry(p, q)));
    const column = trimmedMean(judges.map((i) => entry(i, p)));
    const rest = trimmedMean(judges.flatMap((i) => others.filter((j) => j !== i).map((j) => entry(i, j))));
    const z = own - row - column + rest;
    return { own, row, column, rest, z: Number.isFinite(z) ? z : Number.NEGATIVE_INFINITY };
  });
}

/** s: the median z of established peers; null before there are any, or when it is not above 0. */
export function assignmentScale(established: readonly number[]): number | null {
  const median = lowerMedian(established.filter(Number.isFinite));
  return median !== null && median > 0 ? median : null;
}

/** The next assignment score; without a scale only the sign of z counts (sign(0) = 0). */
export function nextAssignmentScore(score: number, z: number, scale: number | null): number {
  const signal = scale === null ? Math.sign(z) : Math.min(1, Math.max(-1, z / scale));
  return KEEP * score + (1 - KEEP) * signal;
}
