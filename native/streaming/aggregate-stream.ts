/**
 * The exact aggregate of shards of any size: written from its sources, and applied, in pieces.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { readerOf, type Vector } from "../bfloat16.ts";
import { ContainerReader, checkedShard, checkSize } from "../container.ts";
import type { Expected } from "../container-head.ts";
import { checkOneType, nonFiniteResult } from "../faults.ts";
import type { Kernels } from "../kernels.ts";
import { CHUNK, shardOffsets, tilesOf } from "../layout.ts";
import { aggregateRaw } from "../raw.ts";
import { recordFormat } from "../record.ts";
import { checkRaw, checkRecords, partRaw } from "../shard-data.ts";
import {
  type AggregateEntry,
  aggregateHead,
  aggregateHeadBytes,
  alphaOf,
  interleave,
  parseAggregateHead,
} from "../sla.ts";
import { piecesInSegments } from "./decode-stream.ts";
import {
  areOne,
  type ByteSink,
  type ByteSource,
  bytesAt,
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

/** One selected submission and where its SLC1 object is. */
export interface AggregateSource extends AggregateEntry {
  object: ByteSource;
}

/**
 * Writes the aggregate of one shard front to back. Every source is checked as it is read; the aggregate is sound only if this ends
 * without an error.
 *
 * @returns SHA-256 of the aggregate
 * @throws `invalid-argument`; of a source `invalid-container`, `invalid-record`, `invalid-raw-value`
 */
export async function aggregateStream(
  kernels: Kernels,
  expected: Expected,
  sources: readonly AggregateSource[],
  aggregate: ByteSink,
  options: StreamOptions = {},
): Promise<Buffer> {
  const { head, entries, shard } = aggregateHead(expected, sources);
  const { recordBytes } = recordFormat(expected.k);
  const offsets = shardOffsets(shard, expected.k);
  const peers = entries.length;
  const readers: ContainerReader[] = [];
  for (const { object } of entries) {
    options.signal?.throwIfAborted();
    checkSize(shard, offsets.sizeBytes, object.sizeBytes);
    readers.push(new ContainerReader(await bytesAt(object, 0, offsets.records), expected, kernels));
  }
  const hash = createHash("sha256");
  let written = 0;
  async function write(bytes: Uint8Array): Promise<void> {
    hash.update(bytes);
    await aggregate.write(written, bytes);
    written += bytes.length;
  }
  const readAll = (offset: number, length: number) =>
    allEnded(
      entries.map(
        ({ object }) =>
          () =>
            bytesAt(object, offset, length),
      ),
    );
  const sideBySide = (own: readonly Uint8Array[], itemBytes: number) => {
    const all = new Uint8Array(peers * (own[0]?.length ?? 0));
    own.forEach((bytes, p) => {
      readers[p]?.data(bytes);
      interleave(bytes, itemBytes, all, p, peers);
    });
    return all;
  };

  await write(head);
  const room = roomFor(
    { ...options, threads: 1 },
    { copied: 0, objectBytes: 2 * recordBytes * Math.max(1, peers), shardChunks: shard.chunks },
    kernels.backend,
  );
  let done = 0;
  await inLanes(
    piecesInSegments(shard, room.chunks),
    { lanes: room.lanes, signal: options.signal },
    ({ chunk, chunks }) => readAll(offsets.records + recordBytes * chunk, recordBytes * chunks),
    async (piece, own) => {
      await write(sideBySide(own, recordBytes));
      done += piece.elements;
      options.onProgress?.(done, shard.elements);
    },
  );
  if (shard.rawElements > 0) await write(sideBySide(await readAll(offsets.raw, 2 * shard.rawElements), 2));
  for (const reader of readers) reader.finish();
  return hash.digest();
}

/** Parameters of one shard before and after: element 0 is the shard's first. */
export interface ApplyVectors {
  /** f32, or bfloat16 in shared memory. */
  theta: Vector | Source;
  /** Of theta's type; theta itself, or memory of its own. Holds nothing of use after an error. */
  next: Vector | Sink;
  /** Outer learning rate as f32 bits, hex. */
  alphaBits: string;
}

/**
 * Reads an untrusted aggregate and applies it: next = theta - alpha * sum a_p * update_p.
 *
 * @returns SHA-256 of the aggregate, to be compared before `next` is used
 * @throws `invalid-aggregate`, `invalid-record`, `invalid-raw-value`; `non-finite-result` with the lowest `element`
 */
export async function applyStream(
  kernels: Kernels,
  expected: Expected,
  aggregate: ByteSource,
  vectors: ApplyVectors,
  options: StreamOptions = {},
): Promise<Buffer> {
  const shard = checkedShard(expected);
  const { k } = expected;
  const alpha = alphaOf(vectors.alphaBits);
  const theta = tileReader("theta", vectors.theta, shard.elements);
  const next = tileWriter("next", vectors.next, shard.elements);
  checkOneType(vectors.theta, vectors.next);
  if (!areOne(vectors.theta, vectors.next)) checkApart("theta and next", vectors.theta, vectors.next);
  const header = await bytesAt(aggregate, 0, Math.min(64, aggregate.sizeBytes));
  const head = await bytesAt(aggregate, 0, aggregateHeadBytes(header, aggregate.sizeBytes, expected));
  const { coefficients, entries } = parseAggregateHead(head, expected);
  const peers = entries.length;
  const stride = recordFormat(k).recordBytes * peers;
  const hash = createHash("sha256").update(head);

  const { lanes, chunks } = roomFor(
    options,
    {
      copied: copiedOf(vectors.theta, vectors.next),
      objectBytes: Math.max(1, stride),
      shardChunks: shard.chunks,
    },
    kernels.backend,
  );
  const factors = sharedVector(peers);
  factors.set(coefficients);
  const rooms = Array.from({ length: lanes }, () => ({
    theta: sharedVector(CHUNK * chunks),
    next: sharedVector(CHUNK * chunks),
    records: new Uint8Array(new SharedArrayBuffer(stride * chunks)),
  }));

  const raw = await bytesAt(aggregate, head.length + stride * shard.chunks, 2 * peers * shard.rawElements);
  checkRaw(shard, raw, peers);
  let done = 0;
  await inLanes(
    tilesOf(shard, chunks),
    { lanes, signal: options.signal },
    async ({ part, chunk, chunks, first, elements }, lane) => {
      const room = rooms[lane] as (typeof rooms)[number];
      const at = first - shard.first;
      const [from, bytes] = await allEnded([
        () => theta(at, room.theta.subarray(0, elements)),
        () => bytesAt(aggregate, head.length + stride * chunk, stride * chunks),
      ]);
      checkRecords(kernels, shard, k, bytes, { from: chunk, peers });
      const records = room.records.subarray(0, bytes.length);
      records.set(bytes);
      const to = next.place(at, room.next.subarray(0, elements));
      const bad = part.raw
        ? aggregateRaw(partRaw(part, raw, peers), coefficients, alpha, from, to)
        : await kernels.background.aggregate(records, k, factors, alpha, from, to);
      if (bad >= 0) throw nonFiniteResult(shard.number, first + bad, readerOf(to)(bad));
      await next.done(at, to);
      return bytes;
    },
    ({ elements }, bytes) => {
      hash.update(bytes);
      done += elements;
      options.onProgress?.(done, shard.elements);
    },
  );
  return hash.update(raw).digest();
}
