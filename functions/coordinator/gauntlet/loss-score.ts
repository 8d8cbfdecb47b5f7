/**
 * LossScore_p = L(theta) - L(theta - b c_p update_p) on the anchor batch, the same sequences for all.
 *
 * Above 0 the update helps. Zero updates must not pass, so 0 is not enough, and the gate is never waived.
 *
 * @module
 */

export interface LossScore {
  /** Mean over the sequences; -Infinity if any loss is not finite. */
  score: number;
  /** Standard error of that mean. */
  standardError: number;
}

/** Mean and standard error of base - tried over paired sequences. */
export function lossScore(base: readonly number[], tried: readonly number[]): LossScore {
  const n = base.length;
  const differences = base.map((loss, i) => loss - (tried[i] ?? Number.NaN));
  if (n === 0 || tried.length !== n || !differences.every(Number.isFinite)) {
    return { score: Number.NEGATIVE_INFINITY, standardError: 0 };
  }
  const score = differences.reduce((sum, d) => sum + d, 0) / n;
  return { score, standardError: n > 1 ? Math.sqrt(variance(differences, score) / n) : 0 };
}

function variance(values: readonly number[], mean: number): number {
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
}

/** True when two updates' losses on the same sequences differ by at most two standard errors. */
export function isTie(one: readonly number[], other: readonly number[]): boolean {
  const { score, standardError } = lossScore(one, other);
  return Number.isFinite(score) && Math.abs(score) <= 2 * standardError;
}
