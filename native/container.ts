/**
 * SLC1 version 2: the object a peer uploads for one shard of one round. Header, tensor table, segment table, zero
 * padding, records, raw values; byte layout in `docs/protocol.md`.
 *
 * Everything in front of the data follows from the expected layout and from the data itself. So there is one
 * function that writes it, and a reader writes it again and compares: no field is left unchecked, and one update
 * has exactly one encoding.
 *
 * @module
 */
import { OuterloopError } from "../schemas/errors.ts";
import { buildHead, compareFields, type Expected, headFields } from "./container-head.ts";
import { recordAt } from "./decode.ts";
import type { Kernels } from "./kernels.ts";
import {
  CHUNK,
  CHUNKS_PER_SEGMENT,
  type ShardLayout,
  shardOf,
  shardOffsets,
  type TensorPart,
  type UpdateLayout,
} from "./layout.ts";
import { findInvalidRaw, rawNorm } from "./raw.ts";
import { type KeepCount, recordFault, recordFormat } from "./record.ts";

/** One shard of one submission. The arrays are views of the object's bytes, which must stay as they are. */
export interface ParsedShard {
  readonly layout: UpdateLayout;
  readonly shard: ShardLayout;
  readonly round: number;
  readonly k: KeepCount;
  /** `[chunks x recordBytes]` */
  readonly records: Uint8Array;
  /** `[rawElements x 2]`, bfloat16 */
  readonly raw: Uint8Array;
  /** Squared norm of each tensor part, in table order. */
  readonly squaredNorms: Float64Array;
}

/** An object with room for its data, and nothing written yet. */
export function newContainer(expected: Expected): {
  bytes: Uint8Array<ArrayBuffer>;
  records: Uint8Array;
  raw: Uint8Array;
} {
  const offsets = shardOffsets(checkedShard(expected), expected.k);
  const bytes = new Uint8Array(offsets.sizeBytes);
  return { bytes, records: bytes.subarray(offsets.records, offsets.raw), raw: bytes.subarray(offsets.raw) };
}

/** Writes what stands in front of the data, once the data is complete. */
export function sealContainer(bytes: Uint8Array, expected: Expected, kernels: Kernels): void {
  bytes.set(buildHead(bytes, expected, measureParts(bytes, expected, kernels)));
}

/**
 * Reads an untrusted object. Its size is compared before anything else; nothing is allocated by a number it holds.
 *
 * @throws `invalid-container` naming the field, `invalid-record` or `invalid-raw-value` naming the chunk or element.
 */
export function parseContainer(bytes: Uint8Array, expected: Expected, kernels: Kernels): ParsedShard {
  const shard = checkedShard(expected);
  const offsets = shardOffsets(shard, expected.k);
  if (bytes.length !== offsets.sizeBytes) {
    throw new OuterloopError(
      "invalid-container",
      `shard ${shard.number}: expected ${offsets.sizeBytes} bytes, got ${bytes.length}`,
      { shard: shard.number, expected: offsets.sizeBytes, actual: bytes.length },
    );
  }
  const squaredNorms = measureParts(bytes, expected, kernels);
  const head = buildHead(bytes, expected, squaredNorms);
  const { beforeData, checksums } = headFields(shard, expected.k);
  compareFields(bytes, head, beforeData, shard);
  const records = bytes.subarray(offsets.records, offsets.raw);
  const raw = bytes.subarray(offsets.raw);
  checkData(kernels, shard, expected.k, records, raw, 1);
  compareFields(bytes, head, checksums, shard);
  return { ...expected, shard, records, raw, squaredNorms };
}

/**
 * Checks the records and raw values of one or more peers.
 *
 * @param records - chunk-major `[chunks x peers x recordBytes]`
 * @param raw - element-major `[rawElements x peers x 2]`
 * @throws `invalid-record`, `invalid-raw-value`
 */
export function checkData(
  kernels: Kernels,
  shard: ShardLayout,
  k: KeepCount,
  records: Uint8Array,
  raw: Uint8Array,
  peers: number,
): void {
  const format = recordFormat(k);
  for (const part of shard.parts) {
    if (part.raw) continue;
    const own = partRecords(part, records, k, peers);
    const at = kernels.findInvalid(own, k, part.elements, peers);
    if (at < 0) continue;
    const chunk = Math.floor(at / peers);
    const elements = Math.min(CHUNK, part.elements - CHUNK * chunk);
    const reason = recordFault(format, recordAt(own, format, at), elements);
    throw new OuterloopError(
      "invalid-record",
      `shard ${shard.number}, chunk ${part.firstChunk + chunk}: ${reason}`,
      { shard: shard.number, chunk: part.firstChunk + chunk, peer: at % peers, reason },
    );
  }
  const at = findInvalidRaw(raw);
  if (at < 0) return;
  const element = Math.floor(at / peers);
  throw new OuterloopError(
    "invalid-raw-value",
    `shard ${shard.number}, raw element ${element}: the value is not finite`,
    { shard: shard.number, element, peer: at % peers },
  );
}

/**
 * The shard an expectation is about.
 *
 * @throws `invalid-argument` for a shard the layout has not, or a round that is no u32.
 */
export function checkedShard({ layout, shard, round }: Expected): ShardLayout {
  if (!Number.isInteger(round) || round < 0 || round > 0xffffffff) {
    throw new OuterloopError("invalid-argument", `the round must be a whole number below 2^32, not ${round}`);
  }
  return shardOf(layout, shard);
}

/** The records of one tensor part, as a view. */
export function partRecords(part: TensorPart, records: Uint8Array, k: KeepCount, peers = 1): Uint8Array {
  const stride = recordFormat(k).recordBytes * peers;
  return records.subarray(part.firstChunk * stride, (part.firstChunk + part.chunks) * stride);
}

/** The values of one raw tensor, as a view. */
export function partRaw(part: TensorPart, raw: Uint8Array, peers = 1): Uint8Array {
  const stride = 2 * peers;
  return raw.subarray(part.firstRaw * stride, (part.firstRaw + part.elements) * stride);
}

/**
 * Squared norm of each part: chunks ascending within a segment, then the sums of the segments ascending, so that
 * segments can be measured apart without changing a bit of the result.
 */
function measureParts(bytes: Uint8Array, { layout, shard, k }: Expected, kernels: Kernels): Float64Array {
  const { chunks, parts } = shardOf(layout, shard);
  const offsets = shardOffsets(shardOf(layout, shard), k);
  const chunkNorms = new Float64Array(chunks);
  kernels.recordNorms(bytes.subarray(offsets.records, offsets.raw), k, chunkNorms);
  return Float64Array.from(parts, (part) => {
    if (part.raw) return rawNorm(partRaw(part, bytes.subarray(offsets.raw)));
    let norm = 0;
    let chunk = part.firstChunk;
    const end = part.firstChunk + part.chunks;
    while (chunk < end) {
      const segmentEnd = Math.min(end, (Math.floor(chunk / CHUNKS_PER_SEGMENT) + 1) * CHUNKS_PER_SEGMENT);
      let sum = 0;
      for (; chunk < segmentEnd; chunk++) sum += chunkNorms[chunk] as number;
      norm += sum;
    }
    return norm;
  });
}
