/**
 * The EF84 record: k kept entries of one 4096-element chunk, as an Elias-Fano index set, one sign and one level
 * bit per entry, and two bfloat16 levels. Named for its size at k = 64. Byte layout: `docs/protocol.md`.
 *
 *     bitmap, 2k bits       bit (index_j >> lowBits) + j is set for entry j
 *     entries, lowBits + 2  code_j << lowBits | low bits of index_j; code = sign << 1 | high
 *     low, high             u16 each, bfloat16
 *
 * @module
 */
import { OuterloopError } from "../schemas/errors.ts";
import { fromBfloat16, LARGEST_BFLOAT16 } from "./bfloat16.ts";

/** Values of k a run may use: entries kept per chunk of 4096. */
export const KEEP_COUNTS = [16, 32, 64, 128, 256] as const;
export type KeepCount = (typeof KEEP_COUNTS)[number];

/** Sizes of the record of one k. */
export interface RecordFormat {
  k: KeepCount;
  log2k: number;
  /** Bits of an index that stand in its entry; the others are in the bitmap. */
  lowBits: number;
  /** Bits of an entry: the low bits of the index, then the code. */
  entryBits: number;
  bitmapBytes: number;
  /** Offset of the two levels. */
  levelOffset: number;
  recordBytes: number;
}

/** A record, taken apart. Arrays are `[k]`. */
export interface RecordEntries {
  /** Indices within the chunk, 0..4095, ascending. */
  indices: Uint16Array<ArrayBuffer>;
  /** Sign << 1 | high. */
  codes: Uint8Array;
  /** bfloat16 bits of the two levels. */
  low: number;
  high: number;
}

const FORMATS: ReadonlyMap<number, RecordFormat> = new Map(KEEP_COUNTS.map((k) => [k, describe(k)]));

function describe(k: KeepCount): RecordFormat {
  const log2k = Math.log2(k);
  const lowBits = 12 - log2k;
  const entryBits = lowBits + 2;
  const bitmapBytes = k / 4;
  const levelOffset = bitmapBytes + (k * entryBits) / 8;
  return { k, log2k, lowBits, entryBits, bitmapBytes, levelOffset, recordBytes: levelOffset + 4 };
}

/**
 * The record format of one k.
 *
 * @throws `invalid-argument` for a k outside {@link KEEP_COUNTS}.
 */
export function recordFormat(k: number): RecordFormat {
  const format = FORMATS.get(k);
  if (format) return format;
  throw new OuterloopError("invalid-argument", `k must be one of ${KEEP_COUNTS.join(", ")}, not ${k}`, { k });
}

/** Empty entries of one k, to be filled again and again. */
export function emptyEntries({ k }: RecordFormat): RecordEntries {
  return { indices: new Uint16Array(k), codes: new Uint8Array(k), low: 0, high: 0 };
}

/** Writes one record. The indices must ascend; `record` is `[recordBytes]`. */
export function packRecord(format: RecordFormat, entries: RecordEntries, record: Uint8Array): void {
  const { k, lowBits, entryBits, bitmapBytes, levelOffset } = format;
  record.fill(0);
  for (let j = 0; j < k; j++) {
    const index = entries.indices[j] as number;
    const code = entries.codes[j] as number;
    const position = (index >> lowBits) + j;
    setBits(record, position, 1);
    setBits(record, 8 * bitmapBytes + entryBits * j, (code << lowBits) | (index & ((1 << lowBits) - 1)));
  }
  setBits(record, 8 * levelOffset, entries.low);
  setBits(record, 8 * levelOffset + 16, entries.high);
}

/**
 * Reads one record of any bytes. Only a valid one gives sensible entries.
 *
 * @returns the number of bitmap bits set: k in a valid record.
 */
export function unpackRecord(format: RecordFormat, record: Uint8Array, entries: RecordEntries): number {
  const { k, lowBits, entryBits, bitmapBytes, levelOffset } = format;
  let j = 0;
  for (let position = 0; position < 2 * k; position++) {
    if (getBits(record, position, 1) === 0) continue;
    if (j < k) {
      const entry = getBits(record, 8 * bitmapBytes + entryBits * j, entryBits);
      entries.indices[j] = ((position - j) << lowBits) | (entry & ((1 << lowBits) - 1));
      entries.codes[j] = entry >> lowBits;
    }
    j++;
  }
  entries.low = getBits(record, 8 * levelOffset, 16);
  entries.high = getBits(record, 8 * levelOffset + 16, 16);
  return j;
}

/**
 * Why a record is not valid, as a phrase, or null for a valid one.
 *
 * @param elements - real elements of the chunk, 1..4096. Behind the end of a tensor only the level of an entry is free: it decodes
 *   to nothing, and counts in the norm.
 */
export function recordFault(format: RecordFormat, record: Uint8Array, elements: number): string | null {
  const { k } = format;
  const entries = emptyEntries(format);
  const { indices, codes } = entries;
  const count = unpackRecord(format, record, entries);
  if (count !== k) return `${count} bitmap bits are set instead of ${k}`;
  if (getBits(record, 2 * k - 1, 1) === 1) return "the last bitmap bit is set: an index is beyond the chunk";
  for (let j = 1; j < k; j++) {
    if ((indices[j] as number) <= (indices[j - 1] as number))
      return `the index of entry ${j} does not ascend`;
  }
  if (entries.low > LARGEST_BFLOAT16) return "the low level is negative or not finite";
  if (entries.high > LARGEST_BFLOAT16) return "the high level is negative or not finite";
  if (elements >= k) {
    const last = indices[k - 1] as number;
    return last < elements ? null : `index ${last} is beyond the ${elements} elements of the tail`;
  }
  for (let j = 0; j < k; j++) {
    if (indices[j] !== j) return `entry ${j} of a tail of ${elements} elements has index ${indices[j]}`;
    if (j >= elements && (codes[j] as number) >= 2) return `padding entry ${j} has a sign`;
  }
  return null;
}

/** Values of codes 0..3 under a factor: f32(level * factor), the sign flipped where code bit 1 is set. */
export function levelValues(entries: RecordEntries, factor: number): Float32Array {
  const low = fromBfloat16(entries.low) * factor;
  const high = fromBfloat16(entries.high) * factor;
  return Float32Array.of(low, high, -low, -high);
}

/** Bits are numbered from the least significant bit of byte 0. At most 16 bits, so they lie in 3 bytes. */
function getBits(bytes: Uint8Array, at: number, count: number): number {
  const byte = at >> 3;
  const word = (bytes[byte] ?? 0) | ((bytes[byte + 1] ?? 0) << 8) | ((bytes[byte + 2] ?? 0) << 16);
  return (word >> (at & 7)) & ((1 << count) - 1);
}

/** The target bits must be zero. Writes past the end of a record fall on no byte: the value fits before it. */
function setBits(bytes: Uint8Array, at: number, value: number): void {
  let rest = value << (at & 7);
  for (let byte = at >> 3; rest !== 0; byte++, rest >>>= 8) {
    bytes[byte] = (bytes[byte] as number) | (rest & 0xff);
  }
}
