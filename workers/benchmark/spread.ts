/**
 * How long something takes, and how much that varies.
 *
 * @module
 */
import type { Spread } from "./result.ts";

/** Smallest, middle and largest of some values; the lower middle of an even number. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (place: number) => sorted[place] ?? Number.NaN;
  return { min: at(0), median: at(Math.floor((sorted.length - 1) / 2)), max: at(sorted.length - 1) };
}

/** Seconds of one call. */
export function secondsOf(work: () => void): number {
  const from = performance.now();
  work();
  return (performance.now() - from) / 1_000;
}

/** Seconds of one call that must be awaited. */
export async function secondsUntil(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return (performance.now() - from) / 1_000;
}
