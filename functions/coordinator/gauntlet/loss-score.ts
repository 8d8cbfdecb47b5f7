/**
 * LossScore_p = L(theta) - L(theta - b c_p update_p) on the anchor batch, the same sequences for all.
 *
 * Above 0 an update helps. Of a key on probation it must be so beyond doubt: half of all noise lies above 0, and noise costs
 * nothing to make. Who is established has shown that it works, and as a model learns honest LossScores shrink to two or three
 * standard errors. Zero updates do not pass, and the gate is never waived.
 *
 * @module
 */

import type { KeyStanding } from "../../../schemas/index.ts";

export interface LossScore {
  /** Mean over the sequences; -Infinity if any loss is not finite. */
  score: number;
  /** Standard error of that mean. */
  standardError: number;
}

/** So many standard errors above 0 is beyond doubt: one noise in forty is. */
export const SIGNIFICANT_ERRORS = 2;

/** True for an update that may be used, sent by a key of this standing. */
export function helps({ score, standardError }: LossScore, standing: KeyStanding): boolean {
  return score > 0 && (standing === "established" || score > SIGNIFICANT_ERRORS * standardError);
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
