/**
 * How fast the codec is: both backends on the same input, beside a memory pass, all in turn within each repeat.
 *
 * @module
 */
import {
  CHUNK,
  type Codec,
  createLayout,
  type KeepCount,
  loadCodec,
  type UpdateLayout,
} from "../../native/codec.ts";
import { f32ToHex, isOuterloopError } from "../../schemas/index.ts";
import type { CodecOperation, CodecSpeed } from "./result.ts";
import { secondsOf, spreadOf } from "./spread.ts";

const BETA = 0.95;
const ROUND = 1;
export const AGGREGATE_PEERS = 20;
/** Compress reads delta and e and writes e, each 4 bytes an element. */
const COMPRESS_BYTES_PER_ELEMENT = 12;
const CHUNKS_PER_SHARD = 256;
/** Parsing one object takes a fraction of a millisecond: a sample is so many of them. */
const PARSES = 20;

/** Four shards of 256 chunks: 4 Mi elements, 16 MiB a vector. Aggregate and parse work on the first shard alone. */
export function benchmarkLayout(): UpdateLayout {
  return createLayout([{ name: "matrix", shape: [4 * CHUNKS_PER_SHARD, CHUNK] }], CHUNKS_PER_SHARD);
}

export interface CodecSpeedOptions {
  k: KeepCount;
  repeats: number;
  layout: UpdateLayout;
  /** Bytes per second of a memory pass, measured now. */
  memoryPass: () => number;
}

/** Null: no addon on this machine. */
function nativeCodec(): Codec | null {
  try {
    return loadCodec({ backend: "native" });
  } catch (error) {
    if (isOuterloopError(error, "native-codec-unavailable")) return null;
    throw error;
  }
}

export function measureCodec({ k, repeats, layout, memoryPass }: CodecSpeedOptions): CodecSpeed {
  const native = nativeCodec();
  const reference = loadCodec({ backend: "reference" });
  const codecs = native === null ? [reference] : [reference, native];
  const input = prepare(native ?? reference, layout, k);
  const seconds = { compress: new Samples(), aggregate: new Samples(), parse: new Samples() };
  const shares: number[] = [];

  // The first repeat warms up the compiler and is not counted.
  for (let repeat = 0; repeat <= repeats; repeat++) {
    const bytesPerSecond = memoryPass();
    for (const codec of codecs) {
      const measured = measureOnce(codec, input, layout, k);
      if (repeat === 0) continue;
      for (const operation of ["compress", "aggregate", "parse"] as const) {
        seconds[operation].add(codec.backend, measured[operation]);
      }
      if (codec === codecs.at(-1)) {
        shares.push((COMPRESS_BYTES_PER_ELEMENT * layout.parameters) / measured.compress / bytesPerSecond);
      }
    }
  }
  return {
    k,
    compress: seconds.compress.operation("element", layout.parameters),
    compressShareOfMemoryPass: spreadOf(shares),
    aggregate: seconds.aggregate.operation("element", input.theta.length),
    parse: seconds.parse.operation("record", PARSES * CHUNKS_PER_SHARD),
  };
}

/** Seconds of each operation, once. */
function measureOnce(
  codec: Codec,
  input: ReturnType<typeof prepare>,
  layout: UpdateLayout,
  k: KeepCount,
): Record<"compress" | "aggregate" | "parse", number> {
  const next = input.error.slice();
  const theta = input.theta.slice();
  const after = input.theta.slice();
  const aggregate = codec.parseAggregate(input.aggregate, input.expected);
  return {
    compress: secondsOf(() => {
      codec.compressUpdate(layout, input.delta, input.error, next, { round: ROUND, k, beta: BETA });
    }),
    aggregate: secondsOf(() => codec.applyAggregate(aggregate, f32ToHex(1), theta, after, "shard")),
    parse: secondsOf(() => {
      for (let i = 0; i < PARSES; i++) codec.parseShard(input.object, input.expected);
    }),
  };
}

/** Seconds by backend, one a repeat. */
class Samples {
  readonly #seconds = new Map<string, number[]>();

  add(backend: string, seconds: number): void {
    this.#seconds.set(backend, [...(this.#seconds.get(backend) ?? []), seconds]);
  }

  operation(unit: CodecOperation["unit"], units: number): CodecOperation {
    const typescript = this.#seconds.get("reference") ?? [];
    const native = this.#seconds.get("native");
    const nanoseconds = (seconds: readonly number[]) =>
      spreadOf(seconds.map((value) => (1e9 * value) / units));
    return {
      unit,
      typescriptNanoseconds: nanoseconds(typescript),
      nativeNanoseconds: native === undefined ? null : nanoseconds(native),
      nativeTimesFaster:
        native === undefined
          ? null
          : spreadOf(native.map((value, repeat) => (typescript[repeat] ?? Number.NaN) / value)),
    };
  }
}

/** Bell-shaped vectors, one compressed update, and an aggregate of the first shard of twenty. */
function prepare(codec: Codec, layout: UpdateLayout, k: KeepCount) {
  const expected = { layout, shard: 0, round: ROUND, k };
  const delta = bell(1, layout.parameters);
  const error = bell(2, layout.parameters);
  const shardElements = layout.shards[0]?.elements ?? 0;
  const small = createLayout([{ name: "matrix", shape: [CHUNKS_PER_SHARD, CHUNK] }], CHUNKS_PER_SHARD);
  const entries = Array.from({ length: AGGREGATE_PEERS }, (_, peer) => {
    const [object] = codec.compressUpdate(
      small,
      bell(100 + peer, shardElements),
      new Float32Array(shardElements),
      new Float32Array(shardElements),
      { round: ROUND, k, beta: BETA },
    );
    return {
      peer: peer.toString(16).padStart(64, "0"),
      sha256: "0".repeat(64),
      coefficientBits: f32ToHex(1 / AGGREGATE_PEERS),
      shard: codec.parseShard(object ?? new Uint8Array(), { ...expected, layout: small }),
    };
  });
  const aggregate = codec.buildAggregate({ ...expected, layout: small, entries });
  const [object = new Uint8Array()] = codec.compressUpdate(
    small,
    delta.subarray(0, shardElements),
    error.slice(0, shardElements),
    new Float32Array(shardElements),
    { round: ROUND, k, beta: BETA },
  );
  return {
    delta,
    error,
    theta: bell(3, shardElements),
    aggregate,
    object,
    expected: { ...expected, layout: small },
  };
}

/** Sums of four drawn bytes: nearly normal, and the same in every run. */
function bell(seed: number, elements: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: elements }, () => {
    state = (Math.imul(state, 0x9e3779b1) + 0x85ebca6b) | 0;
    const bits = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d);
    return ((bits & 255) + ((bits >>> 8) & 255) + ((bits >>> 16) & 255) + (bits >>> 24) - 510) * 1e-5;
  });
}
