/**
 * LossScore_p = L(theta) - L(theta - b c_p update_p) on the anchor batch, the same sequences for all.
 *
 * An update helps if that is above 0 by more than chance: half of all noise lies above 0. Zero updates do not pass, and the
 * gate is never waived.
 *
 * @module
 */

export interface LossScore {
  /** Mean over the sequences; -Infinity if any loss is not finite. */
  score: number;
  /** Standard error of that mean. */
  standardError: number;
}

/** Standard errors that a LossScore must be above 0: one noise in forty is. Honest updates are at ten and more. */
export const SIGNIFICANT_ERRORS = 2;

/** True for an update that may be used. */
export function helps({ score, standardError }: LossScore): boolean {
  return score > 0 && score > SIGNIFICANT_ERRORS * standardError;
}

/** Mean and standard error of gains: by how much the loss of each sequence falls. */
export function lossScore(gains: readonly number[]): LossScore {
  const n = gains.length;
  if (n === 0 || !gains.every(Number.isFinite)) return { score: Number.NEGATIVE_INFINITY, standardError: 0 };
  const score = gains.reduce((sum, gain) => sum + gain, 0) / n;
  return { score, standardError: n > 1 ? Math.sqrt(variance(gains, score) / n) : 0 };
}

function variance(values: readonly number[], mean: number): number {
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
}

/** True when two updates' gains on the same sequences differ by at most two standard errors. */
export function isTie(one: readonly number[], other: readonly number[]): boolean {
  const { score, standardError } = lossScore(one.map((gain, i) => gain - (other[i] ?? Number.NaN)));
  return Number.isFinite(score) && Math.abs(score) <= 2 * standardError;
}
