/**
 * Reading an untrusted SLC1 object of any size: checked front to back, its dense values written as they come.
 *
 * @module
 */
import { ContainerReader, checkedShard, checkSize } from "../container.ts";
import type { Expected } from "../container-head.ts";
import type { Kernels } from "../kernels.ts";
import {
  CHUNK,
  CHUNKS_PER_SEGMENT,
  type Piece,
  piecesOf,
  type ShardLayout,
  shardOffsets,
} from "../layout.ts";
import { decodeRaw } from "../raw.ts";
import { recordFormat } from "../record.ts";
import { partRaw } from "../shard-data.ts";
import { type ByteSource, bytesAt, type Sink } from "./ends.ts";
import { inLanes } from "./lanes.ts";
import { roomFor, type StreamOptions } from "./options.ts";

/**
 * Writes the dense values of a shard, f32. They are sound only if this ends without an error: until then nobody may use them.
 *
 * @param values - element 0 is the shard's first
 * @returns the squared norm of each part
 * @throws `invalid-container`, `invalid-record`, `invalid-raw-value`
 */
export async function decodeStream(
  kernels: Kernels,
  object: ByteSource,
  expected: Expected,
  values: Sink,
  options: StreamOptions = {},
): Promise<Float64Array> {
  const shard = checkedShard(expected);
  const { k } = expected;
  const { recordBytes } = recordFormat(k);
  const offsets = shardOffsets(shard, k);
  checkSize(shard, offsets.sizeBytes, object.sizeBytes);
  const reader = new ContainerReader(await bytesAt(object, 0, offsets.records), expected, kernels);
  const room = roomFor(
    { ...options, threads: 1 },
    { copied: 1, objectBytes: recordBytes, shardChunks: shard.chunks },
    kernels.backend,
  );
  const tile = new Float32Array(Math.min(shard.elements, CHUNK * Math.max(1, room.chunks)));
  let done = 0;
  await inLanes(
    piecesInSegments(shard, room.chunks),
    { lanes: room.lanes, signal: options.signal },
    ({ chunk, chunks }) => bytesAt(object, offsets.records + recordBytes * chunk, recordBytes * chunks),
    async ({ first, elements }, records) => {
      reader.data(records);
      const own = tile.subarray(0, elements);
      kernels.decode(records, k, own);
      await values.write(first - shard.first, own);
      done += elements;
      options.onProgress?.(done, shard.elements);
    },
  );
  if (shard.rawElements > 0) {
    const raw = await bytesAt(object, offsets.raw, offsets.sizeBytes - offsets.raw);
    reader.data(raw);
    for (const part of shard.parts) {
      if (!part.raw) continue;
      const own = new Float32Array(part.elements);
      decodeRaw(partRaw(part, raw), own);
      await values.write(part.first - shard.first, own);
    }
  }
  return reader.finish();
}

/** Pieces that neither leave a part nor a segment. */
export function* piecesInSegments(shard: ShardLayout, most: number): Generator<Piece> {
  for (let from = 0; from < shard.chunks; from += CHUNKS_PER_SEGMENT)
    yield* piecesOf(shard, from, Math.min(shard.chunks, from + CHUNKS_PER_SEGMENT), most);
}
