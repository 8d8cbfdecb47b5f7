/**
 * What the codec's tests share: the backends present, odd input, and little models.
 *
 * @module
 */
import fc from "fast-check";
import { loadAddon } from "./addon.ts";
import { type Codec, createLayout, type KeepCount, type ParsedShard, type UpdateLayout } from "./codec.ts";
import { createCodec } from "./kernel-codec.ts";
import { type Kernels, referenceKernels } from "./kernels.ts";
import { createStreams, type Streams } from "./streaming/streams.ts";

/** The addon's kernels, on each instruction set that this processor has; none on a machine without a compiler. */
export const nativeKernels: readonly Kernels[] = presentAddon();
/** All kernels present. */
export const allKernels: readonly Kernels[] = [referenceKernels, ...nativeKernels];
/** A codec on each. */
export const allCodecs: readonly Codec[] = allKernels.map(createCodec);
/** Streams on each. */
export const allStreams: readonly Streams[] = allKernels.map(createStreams);

/** A model with raw tensors, whole chunks, a short and a very short tail, and a tensor in two shards. */
export const smallLayout: UpdateLayout = createLayout(
  [
    { name: "norm", shape: [10] },
    { name: "matrix", shape: [50, 100] },
    { name: "wide", shape: [4100] },
    { name: "bias", shape: [7] },
  ],
  3,
);

/** One peer's shards of {@link smallLayout}, compressed and parsed. */
export function submission(
  codec: Codec,
  seed: number,
  k: KeepCount,
  round = 1,
): { bytes: Uint8Array[]; shards: ParsedShard[] } {
  const delta = oddValues({ kind: "random", seed, elements: smallLayout.parameters });
  const [error, next] = [new Float32Array(delta.length), new Float32Array(delta.length)];
  const bytes = codec.compressUpdate(smallLayout, delta, error, next, { round, k, beta: 0.95 });
  const shards = bytes.map((object, shard) =>
    codec.parseShard(object, { layout: smallLayout, shard, round, k }),
  );
  return { bytes, shards };
}

/** Recipe of an array that stresses one rule. */
export interface OddInput {
  kind: "random" | "ties" | "denormal" | "huge" | "zeros" | "spike" | "bits" | "sorted";
  seed: number;
  elements: number;
}

/** Recipes with lengths around every border: below k, tails, whole chunks. */
export const oddInput: fc.Arbitrary<OddInput> = fc.record({
  kind: fc.constantFrom("random", "ties", "denormal", "huge", "zeros", "spike", "bits", "sorted"),
  seed: fc.integer(),
  elements: fc.oneof(
    fc.integer({ min: 1, max: 300 }),
    fc.constantFrom(4032, 4095, 4096, 4097, 4111, 8192),
    fc.integer({ min: 301, max: 9000 }),
  ),
});

/** Fills an array by its recipe. All values are finite. */
export function oddValues({ kind, seed, elements }: OddInput): Float32Array {
  let state = seed | 0;
  const next = () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
    return (state ^ (state >>> 13)) >>> 0;
  };
  const unit = () => next() / 2 ** 31 - 1;
  const word = new DataView(new ArrayBuffer(4));
  const draw = {
    random: () => unit() ** 3,
    ties: () => [0, -0, 0.25, -0.25, 1, -1][next() % 6] as number,
    denormal: () => unit() * 2 ** -130,
    huge: () => unit() * 1.7e38,
    zeros: () => (next() % 2 ? 0 : -0),
    sorted: () => unit() * 1e-3,
    spike: () => (next() % 500 ? 0 : unit()),
    bits: () => {
      word.setUint32(0, next() & 0xff7fffff & (next() % 4 ? -1 : 0xfeffffff));
      const value = word.getFloat32(0);
      return Number.isFinite(value) ? value : 1;
    },
  };
  const values = Float32Array.from({ length: elements }, draw[kind]);
  return kind === "sorted" ? values.sort() : values;
}

/** The bytes of an array, to compare bit for bit (so that -0 is not +0). */
export function bytesOf(array: ArrayBufferView): Buffer {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength);
}

function presentAddon(): readonly Kernels[] {
  try {
    return loadAddon();
  } catch (error) {
    console.warn("the native codec is not tested:", error);
    return [];
  }
}
