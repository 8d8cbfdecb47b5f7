/**
 * The matrix residual. M[p][q] is the LossScore of p's update on q's assigned data; z_p = own - row - column + rest
 * removes "a good update" and "an easy batch" and points at who did not train its own data.
 *
 * @module
 */
import { trimmedMean, usual } from "./robust.ts";

/** With fewer owners in a group there is nothing to compare: the assignment score is kept. */
export const MIN_OWNERS = 4;
/** m_p <- KEEP * m_p + (1 - KEEP) * clip(z_p / s, -1, 1). */
const KEEP = 0.9;

export interface Residual {
  own: number;
  row: number;
  column: number;
  rest: number;
  z: number;
}

/**
 * Residuals of all owners of a group; null for fewer than {@link MIN_OWNERS}.
 * `helps[p]`: p passes the LossScore's gate; only such updates make columns and rest.
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

/**
 * The published rule beside it: own minus random, here LossScore on a part of one's own data against that on the anchor
 * batch (Gauntlet, proof of computation). Blind for the first rounds, while every batch profits alike from any update.
 */
export function ownMinusRandom(own: number, random: number): Residual {
  const z = own - random;
  // What cannot be computed is the worst there is: a broken update must not leave a NaN in a score for ever.
  return { own, row: random, column: 0, rest: 0, z: Number.isFinite(z) ? z : Number.NEGATIVE_INFINITY };
}

/**
 * s: the usual z of those that help; before enough are established each weighs its LossScore: a majority of keys that do next
 * to nothing must not decide how much is much. Null when it is not above 0.
 */
export function assignmentScale(
  judged: readonly { z: number; lossScore: number; established: boolean }[],
): number | null {
  const samples = judged
    .filter(({ z }) => Number.isFinite(z))
    .map(({ z, lossScore, established }) => ({ value: z, weight: Math.max(0, lossScore), established }));
  const scale = usual(1 / 2, samples);
  return scale !== null && scale > 0 ? scale : null;
}

/** The next assignment score; without a scale (the published rule) only the sign of z counts (sign(0) = 0). */
export function nextAssignmentScore(score: number, z: number, scale: number | null): number {
  const signal = scale === null ? Math.sign(z) : Math.min(1, Math.max(-1, z / scale));
  return KEEP * score + (1 - KEEP) * signal;
}
