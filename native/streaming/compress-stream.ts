/**
 * Compression of a shard of any size: error feedback, selection and quantiser on background threads, in pieces.
 *
 * @module
 */
import { readerOf, type Vector } from "../bfloat16.ts";
import { checkedShard } from "../container.ts";
import { buildHead, type Expected } from "../container-head.ts";
import { checkedBeta, nonFiniteValue } from "../faults.ts";
import type { Kernels } from "../kernels.ts";
import { CHUNK, type Piece, type ShardLayout, shardOffsets, tilesOf } from "../layout.ts";
import { Measure } from "../measure.ts";
import { compressRaw } from "../raw.ts";
import { type KeepCount, recordFormat } from "../record.ts";
import { partRaw } from "../shard-data.ts";
import {
  type ByteSink,
  checkApart,
  copiedOf,
  type Sink,
  type Source,
  sharedVector,
  tileReader,
  tileWriter,
} from "./ends.ts";
import { allEnded, inLanes } from "./lanes.ts";
import { roomFor, type StreamOptions } from "./options.ts";

/** The vectors of one shard: element 0 is the shard's first. */
export interface CompressVectors {
  /** Pseudo-gradient, f32 or bfloat16. */
  delta: Vector | Source;
  /** Error state, f32; stays as it is. */
  error: Float32Array | Source;
  /** Receives the error state after, f32; shares memory with neither. Holds nothing of use after an error. */
  next: Float32Array | Sink;
  /** Decay of the error state, 0..1; rounded to f32. */
  beta: number;
}

/**
 * Writes the SLC1 object of one shard: records as they come, the head last.
 *
 * @throws `non-finite-value` with the lowest `element` of the flat vector and its `cause`.
 */
export async function compressStream(
  kernels: Kernels,
  expected: Expected,
  vectors: CompressVectors,
  object: ByteSink,
  options: StreamOptions = {},
): Promise<void> {
  const shard = checkedShard(expected);
  const { recordBytes } = recordFormat(expected.k);
  const offsets = shardOffsets(shard, expected.k);
  const measure = new Measure(shard, expected.k, kernels);
  const raw = new Uint8Array(2 * shard.rawElements);
  await compressParts(kernels, shard, expected.k, vectors, raw, options, async ({ chunk }, records) => {
    await object.write(offsets.records + recordBytes * chunk, records);
    for (let at = 0; at < records.length; ) {
      const end = Math.min(records.length, at + recordBytes * measure.chunksLeft);
      measure.records(records.subarray(at, end));
      at = end;
    }
  });
  if (raw.length > 0) await object.write(offsets.raw, raw);
  measure.raw(raw);
  await object.write(0, buildHead(expected, measure.squaredNorms, measure.segments));
}

/**
 * All parts of a shard, without a container: records are handed over in order, raw values go to `raw`.
 *
 * @throws `non-finite-value`
 */
export async function compressParts(
  kernels: Kernels,
  shard: ShardLayout,
  k: KeepCount,
  vectors: CompressVectors,
  raw: Uint8Array,
  options: StreamOptions,
  take: (piece: Piece, records: Uint8Array) => void | Promise<void>,
): Promise<void> {
  const { recordBytes } = recordFormat(k);
  const beta = checkedBeta(vectors.beta);
  const delta = tileReader("delta", vectors.delta, shard.elements);
  const error = tileReader("error", vectors.error, shard.elements);
  const next = tileWriter("next", vectors.next, shard.elements);
  checkApart("delta and next", vectors.delta, vectors.next);
  checkApart("error and next", vectors.error, vectors.next);
  const { lanes, chunks } = roomFor(
    options,
    {
      copied: copiedOf(vectors.delta, vectors.error, vectors.next),
      objectBytes: recordBytes,
      shardChunks: shard.chunks,
    },
    kernels.backend,
  );
  const rooms = Array.from({ length: lanes }, () => ({
    delta: sharedVector(CHUNK * chunks),
    error: sharedVector(CHUNK * chunks),
    next: sharedVector(CHUNK * chunks),
    records: new Uint8Array(new SharedArrayBuffer(recordBytes * chunks)),
  }));

  let done = 0;
  await inLanes(
    tilesOf(shard, chunks),
    { lanes, signal: options.signal },
    async ({ part, chunks, first, elements }, lane) => {
      const room = rooms[lane] as (typeof rooms)[number];
      const at = first - shard.first;
      const [from, state] = await allEnded([
        () => delta(at, room.delta.subarray(0, elements)),
        () => error(at, room.error.subarray(0, elements)) as Float32Array | Promise<Float32Array>,
      ]);
      const to = next.place(at, room.next.subarray(0, elements)) as Float32Array;
      const records = room.records.subarray(0, recordBytes * chunks);
      const bad = part.raw
        ? compressRaw(from, state, to, beta, partRaw(part, raw))
        : await kernels.background.compress(from, state, to, beta, k, records);
      if (bad >= 0) throw nonFiniteValue(first + bad, readerOf(from)(bad), state[bad] as number);
      await next.done(at, to);
      return records;
    },
    async (piece, records) => {
      // Not everything that writes takes shared memory.
      if (records.length > 0) await take(piece, new Uint8Array(records));
      done += piece.elements;
      options.onProgress?.(done, shard.elements);
    },
  );
}
