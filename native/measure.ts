/**
 * Digests and norms of a shard's data, taken front to back in runs of any size: what the head of its object says of it.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { SegmentDigest } from "./container-head.ts";
import type { Kernels } from "./kernels.ts";
import { CHUNKS_PER_SEGMENT, piecesOf, type ShardLayout } from "./layout.ts";
import { rawNorm } from "./raw.ts";
import { type KeepCount, recordFormat } from "./record.ts";
import { partRaw } from "./shard-data.ts";

/** Takes the records of a shard in order, then its raw values. */
export class Measure {
  /** Those of the segments that are complete. */
  readonly segments: SegmentDigest[] = [];
  /** Of each part, in table order; complete with the data. */
  readonly squaredNorms: Float64Array;
  readonly #kernels: Kernels;
  readonly #shard: ShardLayout;
  readonly #k: KeepCount;
  readonly #recordBytes: number;
  #chunk = 0;
  /** That of the last chunk. */
  #part = 0;
  #hash = createHash("sha256");
  #crc = 0;
  /** Of each part, within the open segment: so segments can be measured apart without changing a bit of the sums. */
  #inSegment: Float64Array;

  constructor(shard: ShardLayout, k: KeepCount, kernels: Kernels) {
    this.#kernels = kernels;
    this.#shard = shard;
    this.#k = k;
    this.#recordBytes = recordFormat(k).recordBytes;
    this.squaredNorms = new Float64Array(shard.parts.length);
    this.#inSegment = new Float64Array(shard.parts.length);
  }

  /** The chunk that comes next. */
  get chunk(): number {
    return this.#chunk;
  }

  /** Chunks up to the end of the open segment: a run must not reach beyond it. */
  get chunksLeft(): number {
    const end = CHUNKS_PER_SEGMENT * (Math.floor(this.#chunk / CHUNKS_PER_SEGMENT) + 1);
    return Math.min(end, this.#shard.chunks) - this.#chunk;
  }

  /** Whole records. */
  records(records: Uint8Array): void {
    this.#digest(records);
    const chunks = records.length / this.#recordBytes;
    const norms = new Float64Array(chunks);
    this.#kernels.recordNorms(records, this.#k, norms);
    let at = 0;
    for (const piece of piecesOf(this.#shard, this.#chunk, this.#chunk + chunks)) {
      while (this.#shard.parts[this.#part] !== piece.part) this.#part++;
      let sum = this.#inSegment[this.#part] as number;
      for (let left = piece.chunks; left > 0; left--) sum += norms[at++] as number;
      this.#inSegment[this.#part] = sum;
    }
    const isLast = chunks === this.chunksLeft;
    this.#chunk += chunks;
    if (isLast) this.#closeSegment();
  }

  /** All raw values of the shard: a segment of their own, where there are any. */
  raw(raw: Uint8Array): void {
    this.#digest(raw);
    this.#shard.parts.forEach((part, i) => {
      if (part.raw) this.#inSegment[i] = rawNorm(partRaw(part, raw));
    });
    if (raw.length > 0) this.#closeSegment();
  }

  #digest(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#crc = this.#kernels.crc32c(bytes, this.#crc);
  }

  #closeSegment(): void {
    this.segments.push({ sha256: this.#hash.digest(), crc32c: this.#crc });
    for (const [part, sum] of this.#inSegment.entries())
      this.squaredNorms[part] = (this.squaredNorms[part] as number) + sum;
    this.#inSegment = new Float64Array(this.#shard.parts.length);
    this.#hash = createHash("sha256");
    this.#crc = 0;
  }
}
