/**
 * The codec's figures as a table for people, beside what they are meant to reach.
 *
 * @module
 */
import { aligned, figure, headOf, type Row } from "../table.ts";
import type { CodecFigures, CodecResult } from "./figures.ts";

const ROWS: Record<keyof CodecFigures, readonly [what: string, goal: string]> = {
  compressShareOfBandwidth: ["compress, 2 threads: bandwidth", "goal 0.8, at least 0.6"],
  compressOverProbe1: ["compress, 1 thread: time", "at most 2"],
  aggregate20OverProbe: ["aggregate 20 and apply, 2 threads: time", "at most 2"],
  validateNsPerRecord: ["validate a record", "at most 8"],
  compressOverTorch: ["compress against torch, 2 threads each", "at least 15"],
  aggregateOverTorch: ["aggregate against torch, 2 threads each", "at least 12"],
  compressOverNumpy: ["compress against numpy, 1 thread each", "at least 8"],
  bitsPerKeptValue: ["size of a kept value", "10.5"],
  relativeErrorKept: ["error of kept values, quick-start model", "at most 0.03"],
  bindingOverhead: ["what a call costs", "below 0.01"],
  peakExtraMiB1GiB: ["memory for a compress of 1 GiB", "at most 96"],
};

export function codecTableOf({ machine, figures }: CodecResult, repeats: number): string {
  const rows = Object.entries(ROWS).map(([name, [what, goal]]): Row => {
    const one = figures[name as keyof CodecFigures];
    if (one.value === null) return [what, "none", one.reason];
    const spread = [one.min, one.value, one.max].map(figure).join(" / ");
    return [what, spread, `${one.unit}; ${goal}`];
  });
  return [...headOf({ machine, repeats }), ...aligned(rows)].join("\n");
}
