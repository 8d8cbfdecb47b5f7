/**
 * Losses of the unchanged model, computed once an evaluator and round: every job of a round is measured against them.
 *
 * @module
 */

export interface BaseLosses {
  /** Losses of these windows, in this order; only those that are not known yet are computed. */
  of(windows: readonly number[]): Promise<number[]>;
}

/** `compute`: losses of windows under the unchanged model. */
export function createBaseLosses(
  compute: (windows: readonly number[]) => Promise<ArrayLike<number>>,
): BaseLosses {
  const known = new Map<number, number>();
  return {
    async of(windows) {
      const missing = [...new Set(windows)].filter((window) => !known.has(window));
      if (missing.length > 0) {
        const losses = await compute(missing);
        for (const [i, window] of missing.entries()) known.set(window, losses[i] ?? Number.NaN);
      }
      return windows.map((window) => known.get(window) ?? Number.NaN);
    },
  };
}
