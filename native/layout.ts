/**
 * Where every parameter of a model travels: the flat vector cut into shards, shards into tensor parts, parts
 * into chunks (or raw elements), and the byte offsets all that has in an SLC1 object.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { OuterloopError } from "../schemas/errors.ts";
import type { TensorSpec } from "../schemas/model.ts";
import { type KeepCount, recordFormat } from "./record.ts";

/** Elements per chunk. A chunk never spans two tensors; a tensor with fewer elements travels raw. */
export const CHUNK = 4096;
/** Chunks whose records share one SHA-256 and one CRC in an SLC1 object. */
export const CHUNKS_PER_SEGMENT = 16_384;

/** The elements of one tensor that lie in one shard. */
export interface TensorPart {
  /** Position of the tensor in {@link UpdateLayout.tensors}. */
  tensor: number;
  /** First element, in the flat parameter vector. */
  first: number;
  elements: number;
  /** `ceil(elements / CHUNK)`, or 0 where `raw`. */
  chunks: number;
  /** True: a whole tensor of fewer than {@link CHUNK} elements, sent as bfloat16 values. */
  raw: boolean;
  /** Chunks of this shard that stand before this part. */
  firstChunk: number;
  /** Raw elements of this shard that stand before this part. */
  firstRaw: number;
}

/** One contiguous range of the flat parameter vector; each submission has one object per shard. */
export interface ShardLayout {
  number: number;
  /** First element, in the flat parameter vector. */
  first: number;
  elements: number;
  chunks: number;
  rawElements: number;
  parts: readonly TensorPart[];
}

/** How an update of one model is cut up; the same for every peer of a run. */
export interface UpdateLayout {
  tensors: readonly TensorSpec[];
  /** Length of the flat parameter vector. */
  parameters: number;
  /** SHA-256 of names, types and shapes, in hex; its first 8 bytes are the schema id of the containers. */
  schemaDigest: string;
  shards: readonly ShardLayout[];
}

/**
 * Cuts a model into shards: each chunk goes to the open shard, a full shard closes when the next chunk comes, and
 * a raw tensor joins the open shard. A pure function of its arguments, so all peers agree without a message.
 *
 * @throws `invalid-layout` for no tensors, a repeated name, a bad dimension, or more shards than a u16 numbers.
 */
export function createLayout(tensors: readonly TensorSpec[], chunksPerShard: number): UpdateLayout {
  if (!Number.isSafeInteger(chunksPerShard) || chunksPerShard < 1) {
    throw invalidLayout(`chunks per shard must be a whole number from 1, not ${chunksPerShard}`);
  }
  if (tensors.length === 0) throw invalidLayout("a model needs at least one tensor");
  const names = new Set<string>();
  const shards: (ShardLayout & { parts: TensorPart[] })[] = [];
  let open = openShard(0, 0);
  let first = 0;
  tensors.forEach((spec, tensor) => {
    if (names.has(spec.name)) throw invalidLayout(`two tensors are called ${spec.name}`);
    names.add(spec.name);
    const end = first + elementCount(spec);
    if (!Number.isSafeInteger(end)) throw invalidLayout("the model has 2^53 elements or more");
    if (end - first < CHUNK) addPart(open, tensor, first, end - first, true);
    else {
      while (first < end) {
        if (open.chunks === chunksPerShard) {
          shards.push(open);
          open = openShard(shards.length, first);
        }
        const elements = Math.min(end - first, CHUNK * (chunksPerShard - open.chunks));
        addPart(open, tensor, first, elements, false);
        first += elements;
      }
    }
    first = end;
  });
  shards.push(open);
  if (shards.length > 65_536) {
    throw invalidLayout(`${shards.length} shards; at most 65536 can be numbered: use more chunks per shard`);
  }
  return { tensors, parameters: first, schemaDigest: digestSchema(tensors), shards };
}

/**
 * One shard of a layout.
 *
 * @throws `invalid-argument` where the layout has no shard of this number.
 */
export function shardOf(layout: UpdateLayout, shard: number): ShardLayout {
  const found = layout.shards[shard];
  if (found) return found;
  throw new OuterloopError(
    "invalid-argument",
    `shard ${shard} does not exist: the layout has shards 0 to ${layout.shards.length - 1}`,
    { shard },
  );
}

/** A run of chunks of one tensor part: its elements and its records are contiguous. */
export interface Piece {
  part: TensorPart;
  /** Of the first chunk, within the shard. */
  chunk: number;
  chunks: number;
  /** First element, in the flat parameter vector. */
  first: number;
  elements: number;
}

/** The chunks `from` to `to` - 1 of a shard, in pieces of at most `most` chunks. */
export function* piecesOf(
  shard: ShardLayout,
  from = 0,
  to = shard.chunks,
  most = Number.MAX_SAFE_INTEGER,
): Generator<Piece> {
  for (let i = firstPartBehind(shard, from); i < shard.parts.length; i++) {
    const part = shard.parts[i] as TensorPart;
    if (part.firstChunk >= to) return;
    const end = Math.min(to, part.firstChunk + part.chunks);
    for (let chunk = Math.max(from, part.firstChunk); chunk < end; chunk += most) {
      const chunks = Math.min(most, end - chunk);
      const before = CHUNK * (chunk - part.firstChunk);
      const elements = Math.min(part.elements - before, CHUNK * chunks);
      yield { part, chunk, chunks, first: part.first + before, elements };
    }
  }
}

/** The first part that ends behind chunk `from`: of a hostile object there may be very many. */
function firstPartBehind({ parts }: ShardLayout, from: number): number {
  let [low, high] = [0, parts.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const { firstChunk, chunks } = parts[middle] as TensorPart;
    if (firstChunk + chunks <= from) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The whole shard in order: pieces of at most `most` chunks, and raw tensors, which have no chunks. */
export function* tilesOf(shard: ShardLayout, most: number): Generator<Piece> {
  for (const part of shard.parts) {
    const { firstChunk, chunks, first, elements } = part;
    if (part.raw) yield { part, chunk: firstChunk, chunks: 0, first, elements };
    else yield* piecesOf(shard, firstChunk, firstChunk + chunks, most);
  }
}

/** Byte offsets in the SLC1 object of one shard: header, tensor table, segment table, padding, records, raw. */
export interface ShardOffsets {
  tensorTable: number;
  segmentTable: number;
  /** End of the segment table; zero bytes follow up to `records`. */
  tablesEnd: number;
  records: number;
  raw: number;
  /** The exact size of the object. */
  sizeBytes: number;
  /** Segments: byte ranges of the data, each with its own digest. The raw data, where present, is the last. */
  segments: readonly { start: number; end: number }[];
}

/** Computes where everything lies in the SLC1 object of a shard. */
export function shardOffsets(shard: ShardLayout, k: KeepCount): ShardOffsets {
  const { recordBytes } = recordFormat(k);
  const recordSegments = Math.ceil(shard.chunks / CHUNKS_PER_SEGMENT);
  const tensorTable = 64;
  const segmentTable = tensorTable + 32 * shard.parts.length;
  const tablesEnd = segmentTable + 36 * (recordSegments + (shard.rawElements > 0 ? 1 : 0));
  const records = Math.ceil(tablesEnd / 64) * 64;
  const raw = records + recordBytes * shard.chunks;
  const sizeBytes = raw + 2 * shard.rawElements;
  const segments = Array.from({ length: recordSegments }, (_, segment) => ({
    start: records + recordBytes * CHUNKS_PER_SEGMENT * segment,
    end: Math.min(raw, records + recordBytes * CHUNKS_PER_SEGMENT * (segment + 1)),
  }));
  if (shard.rawElements > 0) segments.push({ start: raw, end: sizeBytes });
  return { tensorTable, segmentTable, tablesEnd, records, raw, sizeBytes, segments };
}

/** Exact size in bytes of the SLC1 object of a shard. */
export function shardSizeBytes(shard: ShardLayout, k: KeepCount): number {
  return shardOffsets(shard, k).sizeBytes;
}

function openShard(number: number, first: number): ShardLayout & { parts: TensorPart[] } {
  return { number, first, elements: 0, chunks: 0, rawElements: 0, parts: [] };
}

function addPart(
  shard: ShardLayout & { parts: TensorPart[] },
  tensor: number,
  first: number,
  elements: number,
  raw: boolean,
): void {
  const chunks = raw ? 0 : Math.ceil(elements / CHUNK);
  const part = {
    tensor,
    first,
    elements,
    chunks,
    raw,
    firstChunk: shard.chunks,
    firstRaw: shard.rawElements,
  };
  shard.parts.push(part);
  shard.elements += elements;
  shard.chunks += chunks;
  if (raw) shard.rawElements += elements;
}

function elementCount(spec: TensorSpec): number {
  const bad = spec.shape.find((dimension) => !Number.isSafeInteger(dimension) || dimension < 1);
  if (spec.shape.length === 0 || spec.shape.length > 255 || bad !== undefined) {
    throw invalidLayout(
      `tensor ${spec.name} has shape [${spec.shape}]: expected 1 to 255 whole numbers from 1`,
    );
  }
  return spec.shape.reduce((product, dimension) => product * dimension, 1);
}

/** SHA-256 over, per tensor: u32 length of the UTF-8 name, the name, u8 type (0 = f32), u8 rank, u64 dimensions. */
function digestSchema(tensors: readonly TensorSpec[]): string {
  const hash = createHash("sha256");
  for (const { name, shape } of tensors) {
    const utf8 = Buffer.from(name, "utf8");
    const entry = Buffer.alloc(4 + utf8.length + 2 + 8 * shape.length);
    entry.writeUInt32LE(utf8.length, 0);
    utf8.copy(entry, 4);
    entry.writeUInt8(shape.length, 4 + utf8.length + 1);
    shape.forEach((dimension, axis) => {
      entry.writeBigUInt64LE(BigInt(dimension), 4 + utf8.length + 2 + 8 * axis);
    });
    hash.update(entry);
  }
  return hash.digest("hex");
}

function invalidLayout(message: string): OuterloopError {
  return new OuterloopError("invalid-layout", message);
}
