/**
 * What `npm run bench -- --json` prints on stdout: one `benchmarkResult`; with the word `storage`, one `storageResult`.
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

export const machine = z.strictObject({
  processor: z.string(),
  cores: z.int(),
  platform: z.string(),
  node: z.string(),
  /** Load average of the last minute: above 0 before, somebody else was at work. */
  loadBefore: z.number(),
  loadAfter: z.number(),
});

export const benchmarkResult = z.strictObject({
  version: z.literal(1),
  quick: z.boolean(),
  repeats: z.int(),
  machine,
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

/** What `npm run bench -- storage` compares; `file` is the embedded stack of `npm start`. */
export const stackName = z.enum(["file", "minio+localstack", "localstack"]);
export type StackName = z.infer<typeof stackName>;

/** Small conditional writes through the port; a repeat's figure is the median of its writes. */
export const conditionalWrites = z.strictObject({
  stack: stackName,
  createMilliseconds: spread,
  swapMilliseconds: spread,
  /** The same / a plain write of the same bytes in the same repeat. */
  createTimesPlain: spread,
  swapTimesPlain: spread,
});
export type ConditionalWrites = z.infer<typeof conditionalWrites>;

/** A pinned upload and a presigned download, as a peer does them. */
export const transfer = z.strictObject({
  stack: stackName,
  uploadMebibytesPerSecond: spread,
  downloadMebibytesPerSecond: spread,
  /** The same / curl with a ticket of the same kind in the same repeat; null: no curl here. */
  uploadShareOfCurl: spread.nullable(),
  downloadShareOfCurl: spread.nullable(),
});
export type Transfer = z.infer<typeof transfer>;

/** A run of its own by `outerloop up`, timed by this machine's clock: S3's has whole seconds. */
export const roundOverhead = z.strictObject({
  stack: stackName,
  peers: z.int(),
  /** From the roster to the last peer's commit. */
  trainSeconds: spread,
  /** From there to the next roster (to the last peer's outer step, in the last round). */
  overheadSeconds: spread,
  meanOverheadSeconds: z.number(),
  /** The same / the training seconds of the same round. */
  overheadShareOfTraining: spread,
});
export type RoundOverhead = z.infer<typeof roundOverhead>;

/** Requests of a run as a straight line over its peers; the spread is over rounds. */
export const requestLine = z.strictObject({
  /** A method of S3 or an action of SQS; `by ticket`: sent by peers and evaluators with a presigned URL. */
  kind: z.string(),
  perSubmission: spread,
  perRound: spread,
});
export type RequestLine = z.infer<typeof requestLine>;

export const requestCounts = z.strictObject({
  shards: z.int(),
  /** Rounds that were counted in each run. */
  rounds: z.int(),
  /** Peers of the two runs that the line goes through. */
  peers: z.tuple([z.int(), z.int()]),
  requests: z.array(requestLine),
  /** AWS list prices of the medians, an estimate. */
  dollarsPerThousandSubmissions: z.number(),
  dollarsPerThousandRounds: z.number(),
});
export type RequestCounts = z.infer<typeof requestCounts>;

export const storageResult = z.strictObject({
  version: z.literal(1),
  quick: z.boolean(),
  repeats: z.int(),
  machine,
  writeBytes: z.int(),
  /** A file of the same bytes, written, fsynced and renamed. */
  plainWriteMilliseconds: spread,
  conditionalWrites: z.array(conditionalWrites),
  transferBytes: z.int(),
  transfers: z.array(transfer),
  roundOverheads: z.array(roundOverhead),
  requestCounts,
});
export type StorageResult = z.infer<typeof storageResult>;
