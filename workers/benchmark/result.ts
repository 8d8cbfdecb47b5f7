/**
 * What `npm run bench -- --json` prints on stdout: one object of this shape.
 *
 * Times depend on the machine and on its other users, so every figure has a spread over repeats, and every speed
 * stands beside a baseline that was measured in the same repeat, a moment before.
 *
 * @module
 */
import { z } from "zod";

/** Over the repeats, all in the unit that the field's name gives. */
export const spread = z.strictObject({ min: z.number(), median: z.number(), max: z.number() });
export type Spread = z.infer<typeof spread>;

/** One operation of the codec in both backends. Baseline: the TypeScript reference. */
export const codecOperation = z.strictObject({
  /** Per element of the parameter vector (compress, aggregate) or per record (parse). */
  unit: z.enum(["element", "record"]),
  typescriptNanoseconds: spread,
  /** Null: no addon on this machine. */
  nativeNanoseconds: spread.nullable(),
  /** TypeScript time / native time of the same repeat. */
  nativeTimesFaster: spread.nullable(),
});
export type CodecOperation = z.infer<typeof codecOperation>;

export const codecSpeed = z.strictObject({
  k: z.int(),
  /** Finite check, error feedback, selection, quantisation, container: `compressUpdate`. */
  compress: codecOperation,
  /**
   * Bytes that compress cannot avoid (it reads delta and e and writes e: 12 an element) per second, as a share of the
   * memory pass. Native where there is an addon.
   */
  compressShareOfMemoryPass: spread,
  /** The outer step over `aggregatePeers` peers: `applyAggregate`. */
  aggregate: codecOperation,
  /** Every check of an untrusted object: `parseShard`. */
  parse: codecOperation,
});
export type CodecSpeed = z.infer<typeof codecSpeed>;

export const modelSpeed = z.strictObject({
  parameters: z.int(),
  sequenceLength: z.int(),
  batchSize: z.int(),
  /** 6N + 12 layers width T for a training step, a third of it for a forward pass. */
  trainingFlopsPerToken: z.number(),
  /** One MatMul of 512 x 512 by 512 x 512 on one thread. */
  matrixProbeGigaflops: spread,
  trainingTokensPerSecond: spread,
  /** Achieved GFLOP/s of a step / GFLOP/s of the probe in the same repeat. */
  trainingShareOfProbe: spread,
  forwardTokensPerSecond: spread,
  forwardShareOfProbe: spread,
});
export type ModelSpeed = z.infer<typeof modelSpeed>;

/** An embedded run of its own, with its default peers, started as anybody would. */
export const wholeRun = z.strictObject({
  rounds: z.int(),
  peers: z.int(),
  wallSeconds: z.number(),
  trainSeconds: spread,
  /** Round without training: upload, check, evaluate, aggregate, publish, pull. */
  besidesTrainingSeconds: spread,
  /** The same / the training seconds of the same round. */
  besidesTrainingShareOfTraining: spread,
  memory: z.strictObject({
    /** Where there is a `/proc`, else null. */
    processes: z.int().nullable(),
    /** Highest sum over the process tree. RSS counts shared pages once for each process, PSS once in all. */
    peakRssBytes: z.int().nullable(),
    peakPssBytes: z.int().nullable(),
    samples: z.int(),
  }),
});
export type WholeRun = z.infer<typeof wholeRun>;

export const benchmarkResult = z.strictObject({
  version: z.literal(1),
  quick: z.boolean(),
  repeats: z.int(),
  machine: z.strictObject({
    processor: z.string(),
    cores: z.int(),
    platform: z.string(),
    node: z.string(),
    /** Load average of the last minute: above 0 before, somebody else was at work. */
    loadBefore: z.number(),
    loadAfter: z.number(),
  }),
  /** Copy of one large array into another: bytes read plus bytes written. */
  memoryPassGigabytesPerSecond: spread,
  compressElements: z.int(),
  aggregateElements: z.int(),
  aggregatePeers: z.int(),
  codec: z.array(codecSpeed),
  model: modelSpeed,
  /** Null with `--quick`. */
  run: wholeRun.nullable(),
});
export type BenchmarkResult = z.infer<typeof benchmarkResult>;
