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
import { buildHead, compareFields, type Expected, type Field, headFields } from "./container-head.ts";
import type { Kernels } from "./kernels.ts";
import { type ShardLayout, shardOf, shardOffsets, type UpdateLayout } from "./layout.ts";
import { Measure } from "./measure.ts";
import type { KeepCount } from "./record.ts";
import { checkRaw, checkRecords } from "./shard-data.ts";

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
  const shard = checkedShard(expected);
  const measure = new Measure(shard, expected.k, kernels);
  for (const { start, end } of shardOffsets(shard, expected.k).segments) {
    const data = bytes.subarray(start, end);
    if (measure.chunksLeft > 0) measure.records(data);
    else measure.raw(data);
  }
  bytes.set(buildHead(expected, measure.squaredNorms, measure.segments));
}

/**
 * Reads an untrusted object. Its size is compared before anything else; nothing is allocated by a number it holds.
 *
 * @throws `invalid-container` naming the field, `invalid-record` or `invalid-raw-value` naming the chunk or element.
 */
export function parseContainer(bytes: Uint8Array, expected: Expected, kernels: Kernels): ParsedShard {
  const shard = checkedShard(expected);
  const offsets = shardOffsets(shard, expected.k);
  checkSize(shard, offsets.sizeBytes, bytes.length);
  const reader = new ContainerReader(bytes.subarray(0, offsets.records), expected, kernels);
  for (const { start, end } of offsets.segments) reader.data(bytes.subarray(start, end));
  const squaredNorms = reader.finish();
  const records = bytes.subarray(offsets.records, offsets.raw);
  const raw = bytes.subarray(offsets.raw);
  return { ...expected, shard, records, raw, squaredNorms };
}

/** Checks an untrusted object whose size is right, front to back: its head, runs of records, raw values. */
export class ContainerReader {
  readonly #expected: Expected;
  readonly #kernels: Kernels;
  readonly #shard: ShardLayout;
  readonly #head: Buffer;
  readonly #fields: ReturnType<typeof headFields>;
  readonly #measure: Measure;
  #fault: unknown;

  /**
   * @param head - everything before the first record
   * @throws `invalid-container`
   */
  constructor(head: Uint8Array, expected: Expected, kernels: Kernels) {
    this.#expected = expected;
    this.#kernels = kernels;
    this.#shard = checkedShard(expected);
    this.#head = Buffer.from(head);
    this.#fields = headFields(this.#shard, expected.k);
    this.#measure = new Measure(this.#shard, expected.k, kernels);
    this.#compare(this.#fields.beforeData);
  }

  /** Chunks that the next run of records may have at most; 0: the raw values are next. */
  get chunksLeft(): number {
    return this.#measure.chunksLeft;
  }

  /**
   * Records of whole chunks, within one segment; after the last one, all raw values at once. Data that was taken is sound only when
   * its segment is complete: an error of a record waits for the digest, which says whether it was an accident on the way.
   *
   * @throws `invalid-container`, `invalid-record`, `invalid-raw-value`
   */
  data(bytes: Uint8Array): void {
    const measure = this.#measure;
    const segment = measure.segments.length;
    const { chunk } = measure;
    const isRaw = measure.chunksLeft === 0;
    if (isRaw) measure.raw(bytes);
    else measure.records(bytes);
    try {
      if (isRaw) checkRaw(this.#shard, bytes);
      else checkRecords(this.#kernels, this.#shard, this.#expected.k, bytes, { from: chunk });
    } catch (error) {
      this.#fault ??= error;
    }
    if (measure.segments.length === segment) return;
    this.#compare(this.#fields.segments.slice(segment, segment + 1));
    if (this.#fault !== undefined) throw this.#fault;
  }

  /**
   * After all data: the squared norm of each part.
   *
   * @throws `invalid-container`
   */
  finish(): Float64Array {
    this.#compare(this.#fields.checksums);
    return this.#measure.squaredNorms;
  }

  #compare(fields: readonly Field[]): void {
    const { squaredNorms, segments } = this.#measure;
    compareFields(this.#head, buildHead(this.#expected, squaredNorms, segments), fields, this.#shard);
  }
}

/** @throws `invalid-container`: the object of this shard has another size. */
export function checkSize(shard: ShardLayout, expected: number, actual: number): void {
  if (actual === expected) return;
  throw new OuterloopError(
    "invalid-container",
    `shard ${shard.number}: expected ${expected} bytes, got ${actual}`,
    { shard: shard.number, expected, actual },
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
