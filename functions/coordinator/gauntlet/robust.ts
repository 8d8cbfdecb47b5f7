/**
 * Averages that one huge value cannot steer.
 *
 * @module
 */

/** Below this many values the median replaces the trimmed mean. */
const MEDIAN_BELOW = 4;
/** Share cut off at both ends. */
const TRIM = 0.2;

/** The lower median: for an even count the smaller of the two in the middle. Of nothing: null. */
export function lowerMedian(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? null;
}

/** What is usual rests on established peers from so many on. */
export const MIN_ESTABLISHED = 3;

export interface Sample {
  value: number;
  /** What it counts for while too few are established. */
  weight: number;
  established: boolean;
}

/** True: {@link usual} looks at established peers alone. */
export function restsOnEstablished(samples: readonly Pick<Sample, "established">[]): boolean {
  return samples.filter(({ established }) => established).length >= MIN_ESTABLISHED;
}

/**
 * What is usual: the lower median of established peers. While they are too few, most samples may be one attacker's; then the
 * {@link weightedQuantile}. Of nothing: null.
 */
export function usual(part: number, samples: readonly Sample[]): number | null {
  if (restsOnEstablished(samples))
    return lowerMedian(samples.filter(({ established }) => established).map(({ value }) => value));
  return weightedQuantile(part, samples);
}

/** The lowest value such that values up to it have this part of the weight (of no weight at all: as if all weighed the same). */
export function weightedQuantile(
  part: number,
  samples: readonly Pick<Sample, "value" | "weight">[],
): number | null {
  const total = samples.reduce((sum, { weight }) => sum + weight, 0);
  let sum = 0;
  for (const { value, weight } of [...samples].sort((a, b) => a.value - b.value)) {
    sum += total > 0 ? weight / total : 1 / samples.length;
    // Rounding of the sum must not move it by a place.
    if (sum >= part - 1e-9) return value;
  }
  return null;
}

/** The median: for an even count the mean of the two in the middle. Of nothing: NaN. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const n = sorted.length;
  return ((sorted[Math.floor((n - 1) / 2)] ?? Number.NaN) + (sorted[Math.floor(n / 2)] ?? Number.NaN)) / 2;
}

/**
 * Mean after a fifth (at least one) is cut off both ends, the median below 4 values, over finite values; 0 of nothing.
 */
export function trimmedMean(values: readonly number[]): number {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  const n = sorted.length;
  if (n === 0) return 0;
  if (n < MEDIAN_BELOW) return median(sorted);
  const cut = Math.max(1, Math.floor(n * TRIM));
  const kept = sorted.slice(cut, n - cut);
  return kept.reduce((sum, value) => sum + value, 0) / kept.length;
}
