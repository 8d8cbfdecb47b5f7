/**
 * The codec for vectors of any size: in pieces, on background threads, in bounded memory; the same bytes as the codec of `face.ts`.
 * Each function checks its signal between pieces, reports progress, and holds the event loop for a few milliseconds at most.
 *
 * Vectors in SharedArrayBuffers (see {@link sharedVector}) are worked on where they lie; others, and those that are read and written
 * by range, pass through memory of their own. So an array that is detached, resized or written to meanwhile is an error or a result of
 * whatever was read, never a crash.
 *
 * @example
 * ```ts
 * const streams = loadStreams();
 * const object = new Uint8Array(shardSizeBytes(shard, 64));
 * await streams.compress({ layout, shard: 0, round: 1, k: 64 }, { delta, error, next, beta: 0.95 }, writeBytes(object), { signal });
 * ```
 *
 * @module
 */
import type { Backend, Kernels } from "../kernels.ts";
import { aggregateStream, applyStream } from "./aggregate-stream.ts";
import { compressStream } from "./compress-stream.ts";
import { decodeStream } from "./decode-stream.ts";
import { resparsifyStream } from "./resparsify-stream.ts";

export type { AggregateSource, ApplyVectors } from "./aggregate-stream.ts";
export type { CompressVectors } from "./compress-stream.ts";
export {
  type ByteSink,
  type ByteSource,
  readBytes,
  type Sink,
  type Source,
  sharedVector,
  writeBytes,
} from "./ends.ts";
export type { StreamOptions } from "./options.ts";

type Bound<Work> = Work extends (kernels: Kernels, ...args: infer Rest) => infer Result
  ? (...args: Rest) => Result
  : never;

export interface Streams {
  readonly backend: Backend;
  /** See {@link compressStream}. */
  compress: Bound<typeof compressStream>;
  /** See {@link decodeStream}. */
  decode: Bound<typeof decodeStream>;
  /** See {@link aggregateStream}. */
  aggregate: Bound<typeof aggregateStream>;
  /** See {@link applyStream}. */
  apply: Bound<typeof applyStream>;
  /** See {@link resparsifyStream}. */
  resparsify: Bound<typeof resparsifyStream>;
}

/** Streams that do their bulk work with the kernels given. */
export function createStreams(kernels: Kernels): Streams {
  return {
    backend: kernels.backend,
    compress: (...args) => compressStream(kernels, ...args),
    decode: (...args) => decodeStream(kernels, ...args),
    aggregate: (...args) => aggregateStream(kernels, ...args),
    apply: (...args) => applyStream(kernels, ...args),
    resparsify: (...args) => resparsifyStream(kernels, ...args),
  };
}
