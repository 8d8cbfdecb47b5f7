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
import { checkedShard, type ParsedShard } from "./container.ts";
import { type Expected, PROFILE } from "./container-head.ts";
import { crc32c } from "./crc32c.ts";
import { invalidArgument } from "./faults.ts";
import type { Kernels } from "./kernels.ts";
import { type ShardLayout, shardOf, type UpdateLayout } from "./layout.ts";
import { type KeepCount, recordFormat } from "./record.ts";
import { checkRaw, checkRecords } from "./shard-data.ts";

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
  checkSources(input, input.entries);
  for (const { peer, shard } of input.entries)
    if (shard.k !== input.k) throw invalidEntry(input, peer, `its object has k ${shard.k}`);
  const { head, entries, shard } = aggregateHead(input, input.entries);
  const { recordBytes } = recordFormat(input.k);
  const bytes = new Uint8Array(aggregateSizeBytes(shard, input.k, entries.length));
  bytes.set(head);
  const records = bytes.subarray(head.length);
  const raw = records.subarray(recordBytes * shard.chunks * entries.length);
  entries.forEach(({ shard: source }, p) => {
    interleave(source.records, recordBytes, records, p, entries.length);
    interleave(source.raw, 2, raw, p, entries.length);
  });
  return bytes;
}

/**
 * What stands in front of the records, and the entries in their order.
 *
 * @throws `invalid-argument`
 */
export function aggregateHead<Entry extends AggregateEntry>(
  expected: Expected,
  unordered: readonly Entry[],
): { head: Buffer<ArrayBuffer>; entries: Entry[]; shard: ShardLayout } {
  const shard = checkedShard(expected);
  const entries = unordered.toSorted((a, b) => (a.peer < b.peer ? -1 : 1));
  if (entries.length > 65_535)
    throw invalidArgument(`${entries.length} peers; an aggregate holds at most 65535`);
  const head = Buffer.alloc(HEADER_BYTES + ENTRY_BYTES * entries.length);
  writeHeader(head, expected, shard, entries.length);
  entries.forEach((entry, p) => {
    const fault = entries[p - 1]?.peer === entry.peer ? "the peer has two entries" : entryFault(entry);
    if (fault !== null) throw invalidEntry(expected, entry.peer, fault);
    const at = HEADER_BYTES + ENTRY_BYTES * p;
    head.write(entry.peer, at, "hex");
    head.write(entry.sha256, at + 32, "hex");
    head.writeUInt32LE(Number.parseInt(entry.coefficientBits, 16), at + 64);
  });
  return { head, entries, shard };
}

/**
 * Reads an untrusted aggregate. The number of peers is the only count it may choose; it must fit the exact size
 * before anything is allocated by it.
 *
 * @throws `invalid-aggregate` naming what is wrong; `invalid-record`, `invalid-raw-value`.
 */
export function parseAggregate(bytes: Uint8Array, expected: Expected, kernels: Kernels): ParsedAggregate {
  const head = aggregateHeadBytes(bytes.subarray(0, HEADER_BYTES), bytes.length, expected);
  const { shard, entries, coefficients } = parseAggregateHead(bytes.subarray(0, head), expected);
  const peers = entries.length;
  const rawOffset = head + recordFormat(expected.k).recordBytes * shard.chunks * peers;
  const records = bytes.subarray(head, rawOffset);
  const raw = bytes.subarray(rawOffset);
  checkRecords(kernels, shard, expected.k, records, { peers });
  checkRaw(shard, raw, peers);
  return { ...expected, shard, entries, coefficients, records, raw };
}

/**
 * Length of what stands in front of the records. The header must be the one of this shard, and the object as long as its number of
 * peers says, before anything is read or allocated by that number.
 *
 * @param header - the first 64 bytes, or as many as there are
 * @throws `invalid-aggregate`
 */
export function aggregateHeadBytes(header: Uint8Array, sizeBytes: number, expected: Expected): number {
  const shard = checkedShard(expected);
  if (header.length < HEADER_BYTES) throw invalid(shard, `expected at least 64 bytes, got ${header.length}`);
  const peers = bufferOf(header).readUInt16LE(6);
  const wanted = Buffer.alloc(HEADER_BYTES);
  writeHeader(wanted, expected, shard, peers);
  for (let offset = 0; offset < HEADER_BYTES; offset++) {
    if (header[offset] !== wanted[offset]) {
      throw invalid(shard, `header byte ${offset}: expected ${wanted[offset]}, got ${header[offset]}`, {
        offset,
      });
    }
  }
  const size = aggregateSizeBytes(shard, expected.k, peers);
  if (sizeBytes !== size) throw invalid(shard, `expected ${size} bytes for ${peers} peers, got ${sizeBytes}`);
  return HEADER_BYTES + ENTRY_BYTES * peers;
}

/**
 * Reads what stands in front of the records.
 *
 * @param head - of the length that {@link aggregateHeadBytes} gives
 * @throws `invalid-aggregate`
 */
export function parseAggregateHead(
  head: Uint8Array,
  expected: Expected,
): Pick<ParsedAggregate, "shard" | "entries" | "coefficients"> {
  const shard = checkedShard(expected);
  const view = bufferOf(head);
  const peers = view.readUInt16LE(6);
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
  const coefficients = Float32Array.from(entries, (entry) => f32FromHex(entry.coefficientBits));
  return { shard, entries, coefficients };
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

/**
 * An outer learning rate from its bits.
 *
 * @throws `invalid-argument`
 */
export function alphaOf(bits: string): number {
  if (isCoefficient(bits)) return f32FromHex(bits);
  throw invalidArgument(`alpha ${bits} is not the bits of a finite float that is not negative`);
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
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

function invalidEntry({ shard, round, k }: Expected, peer: string, fault: string): OuterloopError {
  return new OuterloopError(
    "invalid-argument",
    `aggregate of shard ${shard}, round ${round}, k ${k}, peer ${peer}: ${fault}`,
    { peer },
  );
}

/** Why an entry cannot be part of an aggregate, or null. */
function entryFault({ peer, sha256, coefficientBits }: AggregateEntry): string | null {
  if (!/^[0-9a-f]{64}$/.test(peer)) return "the peer id is not 64 lowercase hex digits";
  if (!/^[0-9a-f]{64}$/.test(sha256)) return "the digest is not 64 lowercase hex digits";
  if (!isCoefficient(coefficientBits)) return `coefficient ${coefficientBits} is negative or not finite`;
  return null;
}

/** @throws `invalid-argument` for a source of another round, shard or schema; its k may be any. */
export function checkSources(
  input: Expected,
  entries: readonly (AggregateEntry & { shard: ParsedShard })[],
): void {
  for (const { peer, shard } of entries) {
    const fault = sourceFault(input, shard);
    if (fault !== null) throw invalidEntry(input, peer, fault);
  }
}

/** Why an object is no submission of that shard and round, or null. */
function sourceFault(input: Expected, source: ParsedShard): string | null {
  const shard = shardOf(input.layout, input.shard);
  if (source.round !== input.round) return `its object is of round ${source.round}`;
  if (source.layout.schemaDigest !== input.layout.schemaDigest) return "its object has another schema";
  if (source.shard.first !== shard.first || source.shard.elements !== shard.elements) {
    return `its object covers elements from ${source.shard.first} on, ${source.shard.elements} of them`;
  }
  return null;
}

/** Copies items of `itemBytes` from one peer's array to its places among those of all peers. */
export function interleave(
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
