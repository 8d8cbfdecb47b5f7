/**
 * The SparseLoCo codec: one typed face over two backends that give the same bytes.
 *
 * @example
 * ```ts
 * const codec = loadCodec();
 * const layout = createLayout(tensors, 40);
 * const objects = codec.compressUpdate(layout, delta, error, next, { round: 1, k: 64, beta: 0.95 });
 * const shard = codec.parseShard(objects[0], { layout, shard: 0, round: 1, k: 64 });
 * ```
 *
 * @module
 */
import { OuterloopError } from "../schemas/errors.ts";
import { loadAddon } from "./addon.ts";
import type { Codec } from "./face.ts";
import { createCodec } from "./kernel-codec.ts";
import { type Backend, inForeground, type Kernels, referenceKernels } from "./kernels.ts";
import { createStreams, type Streams } from "./streaming/streams.ts";

export type { ParsedShard } from "./container.ts";
export type { Expected } from "./container-head.ts";
export type { Codec, CompressOptions, Extent } from "./face.ts";
export type { Backend } from "./kernels.ts";
export {
  CHUNK,
  createLayout,
  type ShardLayout,
  shardSizeBytes,
  type TensorPart,
  type UpdateLayout,
} from "./layout.ts";
export { KEEP_COUNTS, type KeepCount, recordFormat } from "./record.ts";
export { type AggregateEntry, type AggregateInput, aggregateSizeBytes, type ParsedAggregate } from "./sla.ts";
export {
  type ByteSink,
  type ByteSource,
  type CompressVectors,
  readBytes,
  type Sink,
  type Source,
  type StreamOptions,
  type Streams,
  sharedVector,
  writeBytes,
} from "./streaming/streams.ts";

/**
 * The fastest codec present: native where the addon loads and agrees with the reference, else the reference in TypeScript.
 * The variable OUTERLOOP_CODEC (`native` or `reference`) or `options.backend` forces one.
 *
 * @throws `native-codec-unavailable` where native is forced and cannot be had; `invalid-setting`.
 */
export function loadCodec(options: { backend?: Backend } = {}): Codec {
  return createCodec(loadKernels(options));
}

/**
 * The same codec for vectors of any size, on background threads; chosen, and errors, as for {@link loadCodec}.
 *
 * @param options.foreground - all in the calling thread, without a turn of the event loop: for a simulation, whose clock must not go on
 *   while something computes
 */
export function loadStreams(options: { backend?: Backend; foreground?: boolean } = {}): Streams {
  const kernels = loadKernels(options);
  return createStreams(options.foreground === true ? inForeground(kernels) : kernels);
}

/** Its kernels, for whoever works on bare records; chosen, and errors, as for {@link loadCodec}. */
export function loadKernels(options: { backend?: Backend } = {}): Kernels {
  const wanted = options.backend ?? process.env.OUTERLOOP_CODEC ?? "";
  if (!["", "native", "reference"].includes(wanted)) {
    throw new OuterloopError("invalid-setting", `OUTERLOOP_CODEC must be native or reference, not ${wanted}`);
  }
  if (wanted === "reference") return referenceKernels;
  native ??= tryNative();
  if ("kernels" in native) return native.kernels;
  if (wanted === "") return referenceKernels;
  throw new OuterloopError("native-codec-unavailable", native.note);
}

/** Why the codec is not native, in one line, or null: nothing went wrong in {@link loadCodec}. */
export function codecNote(): string | null {
  return native && "note" in native ? native.note : null;
}

let native: { kernels: Kernels } | { note: string } | undefined;

function tryNative(): { kernels: Kernels } | { note: string } {
  try {
    const [kernels] = loadAddon();
    return { kernels };
  } catch (error) {
    const [reason] = String(error instanceof Error ? error.message : error).split("\n");
    return { note: `native codec not used (${reason}); \`npm run build:native\` builds it` };
  }
}
