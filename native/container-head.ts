/**
 * What stands in front of the data of an SLC1 object: header (64 bytes), tensor table (32 per part), segment table
 * (36 per segment), zero padding to a multiple of 64. Byte layout in `docs/protocol.md`.
 *
 * @module
 */
import { OuterloopError } from "../schemas/errors.ts";
import { crc32c } from "./crc32c.ts";
import {
  CHUNK,
  CHUNKS_PER_SEGMENT,
  type ShardLayout,
  shardOf,
  shardOffsets,
  type UpdateLayout,
} from "./layout.ts";
import { type KeepCount, recordFormat } from "./record.ts";

/** What an object must be, known to the reader before it arrives. */
export interface Expected {
  layout: UpdateLayout;
  shard: number;
  round: number;
  k: KeepCount;
}

/** Arithmetic profile: how every sum and rounding is done. */
export const PROFILE = 1;

/** Digests of the bytes of one segment. */
export interface SegmentDigest {
  sha256: Uint8Array;
  crc32c: number;
}

/** Header, tables and padding for data with these norms and digests; what is not known yet is zero. */
export function buildHead(
  expected: Expected,
  squaredNorms: Float64Array,
  segments: readonly SegmentDigest[],
): Buffer {
  const { layout, round, k } = expected;
  const shard = shardOf(layout, expected.shard);
  const offsets = shardOffsets(shard, k);
  const { log2k, recordBytes } = recordFormat(k);
  const head = Buffer.alloc(offsets.records);

  shard.parts.forEach((part, i) => {
    const at = offsets.tensorTable + 32 * i;
    head.writeBigUInt64LE(BigInt(part.firstChunk), at);
    head.writeBigUInt64LE(BigInt(part.elements), at + 8);
    head.writeUInt32LE(part.chunks, at + 16);
    head.writeUInt16LE(part.raw ? 0 : part.elements % CHUNK, at + 20);
    head.writeUInt8(part.raw ? 1 : 0, at + 23);
    head.writeDoubleLE(squaredNorms[i] as number, at + 24);
  });
  segments.forEach(({ sha256, crc32c }, i) => {
    const at = offsets.segmentTable + 36 * i;
    head.set(sha256, at);
    head.writeUInt32LE(crc32c, at + 32);
  });

  const hasTail = shard.parts.some((part) => !part.raw && part.elements % CHUNK !== 0);
  head.write("SLC1", 0, "latin1");
  head.writeUInt16LE(2, 4);
  head.writeUInt16LE(hasTail ? 1 : 0, 6);
  head.writeUInt32LE(offsets.records, 8);
  head.writeUInt32LE(shard.parts.length, 12);
  head.writeBigUInt64LE(BigInt(shard.chunks), 16);
  head.writeBigUInt64LE(BigInt(shard.elements), 24);
  head.writeUInt8(Math.log2(CHUNK), 32);
  head.writeUInt8(log2k, 33);
  head.writeUInt8(PROFILE, 35);
  head.writeUInt16LE(recordBytes, 36);
  head.writeUInt16LE(shard.number, 38);
  head.writeUInt32LE(round, 40);
  head.writeUInt32LE(CHUNKS_PER_SEGMENT, 44);
  head.write(layout.schemaDigest.slice(0, 16), 48, "hex");
  head.writeUInt32LE(crc32c(head.subarray(64, offsets.tablesEnd)), 56);
  head.writeUInt32LE(crc32c(head.subarray(0, 60)), 60);
  return head;
}

/** Name, offset and size of a field. */
export type Field = readonly [name: string, offset: number, size: number];

const HEADER_FIELDS: readonly Field[] = [
  ["magic", 0, 4],
  ["version", 4, 2],
  ["flags", 6, 2],
  ["data offset", 8, 4],
  ["number of tensors", 12, 4],
  ["number of chunks", 16, 8],
  ["number of elements", 24, 8],
  ["log2 of the chunk size", 32, 1],
  ["log2 of k", 33, 1],
  ["record format", 34, 1],
  ["arithmetic profile", 35, 1],
  ["record bytes", 36, 2],
  ["shard number", 38, 2],
  ["round", 40, 4],
  ["chunks per segment", 44, 4],
  ["schema id", 48, 8],
];

/**
 * The fields in the order they are compared. The digest of a segment comes before its data is looked at, so an accident is reported as
 * one; the norms come last, because only valid data has any.
 */
export function headFields(
  shard: ShardLayout,
  k: KeepCount,
): { beforeData: Field[]; segments: Field[]; checksums: Field[] } {
  const offsets = shardOffsets(shard, k);
  const tensors = shard.parts.map((_, i) => offsets.tensorTable + 32 * i);
  return {
    beforeData: [
      ...HEADER_FIELDS,
      ...tensors.map((at, i): Field => [`table entry of tensor part ${i}`, at, 24]),
    ],
    segments: offsets.segments.map((_, i) => [`digest of segment ${i}`, offsets.segmentTable + 36 * i, 36]),
    checksums: [
      ...tensors.map((at, i): Field => [`squared norm of tensor part ${i}`, at + 24, 8]),
      ["padding", offsets.tablesEnd, offsets.records - offsets.tablesEnd],
      ["CRC of the tables", 56, 4],
      ["CRC of the header", 60, 4],
    ],
  };
}

/**
 * Compares fields of an object with those of the head it should have.
 *
 * @throws `invalid-container` naming the first that differs.
 */
export function compareFields(
  bytes: Uint8Array,
  head: Buffer,
  fields: readonly Field[],
  shard: ShardLayout,
): void {
  for (const [field, offset, size] of fields) {
    const actual = bytes.subarray(offset, offset + size);
    const wanted = head.subarray(offset, offset + size);
    if (wanted.equals(actual)) continue;
    const [own, theirs] = field.startsWith("digest")
      ? ["the data has", "the table says"]
      : ["expected", "got"];
    throw new OuterloopError(
      "invalid-container",
      `shard ${shard.number}: ${field} (byte ${offset}): ${own} ${wanted.toString("hex")}, ${theirs} ${Buffer.from(actual).toString("hex")}`,
      { shard: shard.number, field, offset },
    );
  }
}
