/**
 * `.sla`: the exact aggregate of one shard. It is no sum but the selected records side by side, with the peers'
 * coefficients: lossless, and a pure function of the selected objects, so anybody can build it again and compare.
 *
 *     0   "SLA1", u16 version 1, u16 peers R, u8 log2 k, u8 profile, u16 shard, u32 round,
 *         u64 chunks, u64 raw elements, schema id (8 bytes), zero, u32 CRC-32C of bytes 0..59 at 60
 *     64  R entries of 72 bytes, ascending by peer id:
 *         peer id 32, SHA-256 of the source object 32, coefficient f32, zero 4
 *     ..  records, chunk-major (chunk 0 of peer 0, of peer 1, ...), then raw values, element-major
 *
 * @module
 */
import { OuterloopError } from "../schemas/errors.ts";
import { f32FromHex, toHex } from "../schemas/primitives.ts";
import { checkData, checkedShard, type ParsedShard } from "./container.ts";
import { type Expected, PROFILE } from "./container-head.ts";
import { crc32c } from "./crc32c.ts";
import type { Kernels } from "./kernels.ts";
import { type ShardLayout, shardOf, type UpdateLayout } from "./layout.ts";
import { type KeepCount, recordFormat } from "./record.ts";

const HEADER_BYTES = 64;
const ENTRY_BYTES = 72;

/** One selected submission. */
export interface AggregateEntry {
  /** Peer id, hex. */
  peer: string;
  /** SHA-256 of the peer's SLC1 object, hex. */
  sha256: string;
  /** Coefficient a_p as f32 bits, hex; finite, not negative. */
  coefficientBits: string;
}

/** An exact aggregate. The arrays are views of the object's bytes, which must stay as they are. */
export interface ParsedAggregate {
  readonly layout: UpdateLayout;
  readonly shard: ShardLayout;
  readonly round: number;
  readonly k: KeepCount;
  /** Ascending by peer id. */
  readonly entries: readonly AggregateEntry[];
  /** `[peers]` */
  readonly coefficients: Float32Array;
  /** `[chunks x peers x recordBytes]` */
  readonly records: Uint8Array;
  /** `[rawElements x peers x 2]` */
  readonly raw: Uint8Array;
}

/** What an aggregate is made of. */
export interface AggregateInput extends Expected {
  entries: readonly (AggregateEntry & { shard: ParsedShard })[];
}

/**
 * Builds the aggregate of one shard; the order of `entries` does not matter.
 *
 * @throws `invalid-argument` for two entries of one peer, a bad id, digest or coefficient, or a shard of another
 *   round, number, k or schema.
 */
export function buildAggregate(input: AggregateInput): Uint8Array<ArrayBuffer> {
  const shard = checkedShard(input);
  const entries = input.entries.toSorted((a, b) => (a.peer < b.peer ? -1 : 1));
  entries.forEach((entry, p) => {
    const fault = entries[p - 1]?.peer === entry.peer ? "the peer has two entries" : entryFault(input, entry);
    if (fault === null) return;
    throw new OuterloopError(
      "invalid-argument",
      `aggregate of shard ${input.shard}, round ${input.round}, k ${input.k}, peer ${entry.peer}: ${fault}`,
      { peer: entry.peer },
    );
  });
  if (entries.length > 65_535) {
    throw new OuterloopError("invalid-argument", `${entries.length} peers; an aggregate holds at most 65535`);
  }
  const { recordBytes } = recordFormat(input.k);
  const bytes = Buffer.alloc(aggregateSizeBytes(shard, input.k, entries.length));
  writeHeader(bytes, input, shard, entries.length);
  entries.forEach((entry, p) => {
    const at = HEADER_BYTES + ENTRY_BYTES * p;
    bytes.write(entry.peer, at, "hex");
    bytes.write(entry.sha256, at + 32, "hex");
    bytes.writeUInt32LE(Number.parseInt(entry.coefficientBits, 16), at + 64);
  });
  const records = bytes.subarray(HEADER_BYTES + ENTRY_BYTES * entries.length);
  const raw = records.subarray(recordBytes * shard.chunks * entries.length);
  entries.forEach(({ shard: source }, p) => {
    interleave(source.records, recordBytes, records, p, entries.length);
    interleave(source.raw, 2, raw, p, entries.length);
  });
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/**
 * Reads an untrusted aggregate. The number of peers is the only count it may choose; it must fit the exact size
 * before anything is allocated by it.
 *
 * @throws `invalid-aggregate` naming what is wrong; `invalid-record`, `invalid-raw-value`.
 */
export function parseAggregate(bytes: Uint8Array, expected: Expected, kernels: Kernels): ParsedAggregate {
  const shard = checkedShard(expected);
  const { recordBytes } = recordFormat(expected.k);
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.length < HEADER_BYTES) throw invalid(shard, `expected at least 64 bytes, got ${view.length}`);
  const peers = view.readUInt16LE(6);
  const header = Buffer.alloc(HEADER_BYTES);
  writeHeader(header, expected, shard, peers);
  for (let offset = 0; offset < HEADER_BYTES; offset++) {
    if (view[offset] !== header[offset]) {
      throw invalid(shard, `header byte ${offset}: expected ${header[offset]}, got ${view[offset]}`, {
        offset,
      });
    }
  }
  const sizeBytes = aggregateSizeBytes(shard, expected.k, peers);
  if (view.length !== sizeBytes) {
    throw invalid(shard, `expected ${sizeBytes} bytes for ${peers} peers, got ${view.length}`);
  }
  const entries = Array.from({ length: peers }, (_, p) => {
    const at = HEADER_BYTES + ENTRY_BYTES * p;
    if (view.readUInt32LE(at + 68) !== 0) throw invalid(shard, `entry ${p} has bytes that are not zero`);
    return {
      peer: toHex(view.subarray(at, at + 32)),
      sha256: toHex(view.subarray(at + 32, at + 64)),
      coefficientBits: view
        .readUInt32LE(at + 64)
        .toString(16)
        .padStart(8, "0"),
    };
  });
  entries.forEach((entry, p) => {
    const previous = entries[p - 1]?.peer;
    if (previous !== undefined && previous >= entry.peer) throw invalid(shard, `entry ${p} does not ascend`);
    if (!isCoefficient(entry.coefficientBits)) {
      throw invalid(shard, `entry ${p} has coefficient ${entry.coefficientBits}: negative or not finite`);
    }
  });
  const dataOffset = HEADER_BYTES + ENTRY_BYTES * peers;
  const rawOffset = dataOffset + recordBytes * shard.chunks * peers;
  const records = bytes.subarray(dataOffset, rawOffset);
  const raw = bytes.subarray(rawOffset);
  checkData(kernels, shard, expected.k, records, raw, peers);
  const coefficients = Float32Array.from(entries, (entry) => f32FromHex(entry.coefficientBits));
  return { ...expected, shard, entries, coefficients, records, raw };
}

/** Exact size in bytes of the aggregate of a shard. */
export function aggregateSizeBytes(shard: ShardLayout, k: KeepCount, peers: number): number {
  const perPeer = ENTRY_BYTES + recordFormat(k).recordBytes * shard.chunks + 2 * shard.rawElements;
  return HEADER_BYTES + perPeer * peers;
}

/** True for the bits of a float that may weigh an update: +0 to the largest finite float32. */
export function isCoefficient(bits: string): boolean {
  return /^[0-9a-f]{8}$/.test(bits) && Number.parseInt(bits, 16) < 0x7f800000;
}

function writeHeader(header: Buffer, expected: Expected, shard: ShardLayout, peers: number): void {
  header.write("SLA1", 0, "latin1");
  header.writeUInt16LE(1, 4);
  header.writeUInt16LE(peers, 6);
  header.writeUInt8(recordFormat(expected.k).log2k, 8);
  header.writeUInt8(PROFILE, 9);
  header.writeUInt16LE(shard.number, 10);
  header.writeUInt32LE(expected.round, 12);
  header.writeBigUInt64LE(BigInt(shard.chunks), 16);
  header.writeBigUInt64LE(BigInt(shard.rawElements), 24);
  header.write(expected.layout.schemaDigest.slice(0, 16), 32, "hex");
  header.writeUInt32LE(crc32c(header.subarray(0, 60)), 60);
}

/** Why an entry cannot be part of the aggregate, or null. */
function entryFault(
  input: AggregateInput,
  { peer, sha256, coefficientBits, shard: source }: AggregateInput["entries"][number],
): string | null {
  const shard = shardOf(input.layout, input.shard);
  if (!/^[0-9a-f]{64}$/.test(peer)) return "the peer id is not 64 lowercase hex digits";
  if (!/^[0-9a-f]{64}$/.test(sha256)) return "the digest is not 64 lowercase hex digits";
  if (!isCoefficient(coefficientBits)) return `coefficient ${coefficientBits} is negative or not finite`;
  if (source.round !== input.round) return `its object is of round ${source.round}`;
  if (source.k !== input.k) return `its object has k ${source.k}`;
  if (source.layout.schemaDigest !== input.layout.schemaDigest) return "its object has another schema";
  if (source.shard.first !== shard.first || source.shard.elements !== shard.elements) {
    return `its object covers elements from ${source.shard.first} on, ${source.shard.elements} of them`;
  }
  return null;
}

/** Copies items of `itemBytes` from one peer's array to its places among those of all peers. */
function interleave(
  source: Uint8Array,
  itemBytes: number,
  target: Uint8Array,
  peer: number,
  peers: number,
): void {
  for (let at = 0, to = peer * itemBytes; at < source.length; at += itemBytes, to += peers * itemBytes) {
    for (let i = 0; i < itemBytes; i++) target[to + i] = source[at + i] as number;
  }
}

function invalid(shard: ShardLayout, problem: string, details: Record<string, unknown> = {}): OuterloopError {
  return new OuterloopError("invalid-aggregate", `aggregate of shard ${shard.number}: ${problem}`, {
    shard: shard.number,
    ...details,
  });
}
