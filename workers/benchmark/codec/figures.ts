/**
 * What `npm run bench -- codec --json` prints.
 *
 * @module
 */
import { z } from "zod";
import { machine } from "../result.ts";

/** The median of the repeats and their range; or why there is none. */
export const figure = z.union([
  z.strictObject({ value: z.number(), min: z.number(), max: z.number(), unit: z.string() }),
  z.strictObject({ value: z.null(), reason: z.string() }),
]);
export type Figure = z.infer<typeof figure>;

/** All with k = 64. */
export const codecFigures = z.strictObject({
  /** Compress, 2 threads, shared memory, container included: 12 bytes an element / the probe's, 2 threads. */
  compressShareOfBandwidth: figure,
  /** Compress, 1 thread: time an element / the probe's, 1 thread. */
  compressOverProbe1: figure,
  /** Decode, add and apply 20 payloads, 2 threads: time an element / the probe's, 2 threads. */
  aggregate20OverProbe: figure,
  /** All checks of a record. */
  validateNsPerRecord: figure,
  /** The same work in torch, 2 threads / compress, 2 threads. */
  compressOverTorch: figure,
  aggregateOverTorch: figure,
  /** The same work in numpy, which has one thread / compress, 1 thread. */
  compressOverNumpy: figure,
  /** Record bits, levels included, by kept values. */
  bitsPerKeptValue: figure,
  /** |value - decoded| / |value| over the kept values of the quick-start model's pseudo-gradients; the spread is over rounds. */
  relativeErrorKept: figure,
  /** A call without elements / a call of 4 MiB. */
  bindingOverhead: figure,
  /** Resident memory that a compress of 1 GiB adds at its peak, vectors that it reads and writes by range. */
  peakExtraMiB1GiB: figure,
});
export type CodecFigures = z.infer<typeof codecFigures>;

export const codecResult = z.strictObject({ machine, figures: codecFigures });
export type CodecResult = z.infer<typeof codecResult>;
