/**
 * `outerloop codec encode` and `decode`: the codec on files of any size, for whoever tests one of their own against ours.
 *
 * @module
 */
import { resolve } from "node:path";
import {
  CHUNK,
  createLayout,
  type KeepCount,
  loadKernels,
  loadStreams,
  recordFormat,
  type StreamOptions,
} from "../../../native/codec.ts";
import { recordAt } from "../../../native/decode.ts";
import { describedBytes, expectationOf } from "../../../native/describe.ts";
import { piecesOf, type ShardLayout } from "../../../native/layout.ts";
import { recordFault } from "../../../native/record.ts";
import { compressParts } from "../../../native/streaming/compress-stream.ts";
import { bytesAt } from "../../../native/streaming/ends.ts";
import { isOuterloopError, OuterloopError } from "../../../schemas/index.ts";
import { bytesOf, invalid, openBytes, openTensors, openVector, type Tensors, writeFiles } from "./files.ts";

export interface EncodeOptions {
  delta: string;
  /** Undefined: an error state of zeros. */
  error: string | undefined;
  beta: number;
  k: KeepCount;
  round: number;
  out: string;
  /** Undefined: the new error state is not kept. */
  errorOut: string | undefined;
  /** True: records without the container, whatever the length of the tensor. */
  rawRecords: boolean;
}

/** Writes the update and the new error state. Typed error `non-finite-value`, naming tensor and element: then no file is touched. */
export async function encode(options: EncodeOptions, stream: StreamOptions = {}): Promise<void> {
  if (options.errorOut !== undefined && resolve(options.errorOut) === resolve(options.out))
    throw new OuterloopError(
      "invalid-option",
      `--out and --error-out must be two files, not both ${options.out}`,
    );
  const { what: delta, close } = await openTensors(options.delta);
  try {
    await encodeTensors(delta, options, stream);
  } catch (fault) {
    if (!isOuterloopError(fault, "non-finite-value")) throw fault;
    throw inTensor(delta.tensors, fault.details);
  } finally {
    await close();
  }
}

async function encodeTensors(delta: Tensors, options: EncodeOptions, stream: StreamOptions): Promise<void> {
  const { elements } = delta;
  const error =
    options.error === undefined
      ? { what: { elements, read: zeros }, close: async () => {} }
      : await openVector(options.error, elements);
  try {
    const paths = [options.out, ...(options.errorOut === undefined ? [] : [options.errorOut])];
    await writeFiles(paths, async ([update, errorAfter]) => {
      if (update === undefined) throw new Error("one file at least is written");
      const next = {
        elements,
        write: (first: number, from: Float32Array) => errorAfter?.(4 * first, bytesOf(from)),
      };
      const vectors = { delta, error: error.what, next, beta: options.beta };
      if (options.rawRecords) await encodeBare(delta, vectors, options, update, stream);
      else {
        const layout = createLayout(delta.tensors, Math.ceil(elements / CHUNK) + delta.tensors.length);
        const expected = { layout, shard: 0, round: options.round, k: options.k };
        await loadStreams().compress(expected, vectors, { write: update }, stream);
      }
    });
  } finally {
    await error.close();
  }
}

function zeros(_first: number, into: Float32Array): void {
  into.fill(0);
}

async function encodeBare(
  { tensors, elements }: Tensors,
  vectors: Parameters<typeof compressParts>[3],
  { k, delta }: EncodeOptions,
  write: (offset: number, bytes: Uint8Array) => Promise<void>,
  stream: StreamOptions,
): Promise<void> {
  if (tensors.length > 1)
    throw new OuterloopError(
      "invalid-option",
      `--raw-records: ${delta} holds ${tensors.length} tensors, expected one`,
    );
  const { recordBytes } = recordFormat(k);
  await compressParts(
    loadKernels(),
    recordsOnly(elements),
    k,
    vectors,
    new Uint8Array(0),
    stream,
    ({ chunk }, records) => write(recordBytes * chunk, records),
  );
}

/** One tensor that is all records, which a container has only from one chunk on. */
function recordsOnly(elements: number): ShardLayout {
  const chunks = Math.ceil(elements / CHUNK);
  const part = { tensor: 0, first: 0, elements, chunks, raw: false, firstChunk: 0, firstRaw: 0 };
  return { number: 0, first: 0, elements, chunks, rawElements: 0, parts: [part] };
}

/** The same error, by the place within a tensor. */
function inTensor(tensors: Tensors["tensors"], details: Record<string, unknown>): OuterloopError {
  const { cause, delta, error } = details;
  let element = Number(details.element);
  let tensor = "";
  for (const { name, shape } of tensors) {
    tensor = name;
    const elements = shape.reduce((product, size) => product * size, 1);
    if (element < elements) break;
    element -= elements;
  }
  return new OuterloopError(
    "non-finite-value",
    `tensor ${tensor}, element ${element}: beta * e + delta is not finite (${cause}): delta ${delta}, e ${error}`,
    { tensor, element, cause },
  );
}

export interface DecodeOptions {
  in: string;
  out: string;
  /** Bare records of a tensor of so many elements; undefined: a container, which says so itself. */
  bare: { elements: number; k: KeepCount } | undefined;
}

/** Writes the dense values, f32. Typed errors `invalid-container`, `invalid-record`, `invalid-raw-value`, `invalid-file`. */
export async function decode(options: DecodeOptions, stream: StreamOptions = {}): Promise<void> {
  const { what: object, close } = await openBytes(options.in);
  try {
    await writeFiles([options.out], async ([write]) => {
      if (write === undefined) throw new Error("one file at least is written");
      const values = (first: number, from: Float32Array) => write(4 * first, bytesOf(from));
      if (options.bare !== undefined) return decodeBare(options.in, object, options.bare, values, stream);
      const header = await bytesAt(object, 0, Math.min(object.sizeBytes, describedBytes()));
      // What cannot fit is not read.
      const headBytes = describedBytes(header);
      const head = headBytes > object.sizeBytes ? header : await bytesAt(object, 0, headBytes);
      const expected = expectationOf(head, object.sizeBytes);
      const { elements } = expected.layout.shards[expected.shard] as ShardLayout;
      await loadStreams().decode(object, expected, { elements, write: values }, stream);
    });
  } finally {
    await close();
  }
}

async function decodeBare(
  path: string,
  object: Parameters<typeof bytesAt>[0],
  { elements, k }: { elements: number; k: KeepCount },
  write: (first: number, from: Float32Array) => Promise<void>,
  { signal, onProgress }: StreamOptions,
): Promise<void> {
  const format = recordFormat(k);
  const kernels = loadKernels();
  const shard = recordsOnly(elements);
  const expected = shard.chunks * format.recordBytes;
  if (object.sizeBytes !== expected)
    throw invalid(
      path,
      `expected ${expected} bytes for ${elements} elements at k = ${k}, got ${object.sizeBytes}`,
    );
  for (const piece of piecesOf(shard, 0, shard.chunks, 256)) {
    signal?.throwIfAborted();
    const records = await bytesAt(
      object,
      format.recordBytes * piece.chunk,
      format.recordBytes * piece.chunks,
    );
    const bad = kernels.findInvalid(records, k, piece.elements, 1);
    if (bad >= 0) {
      const own = Math.min(CHUNK, piece.elements - CHUNK * bad);
      const reason = recordFault(format, recordAt(records, format, bad), own);
      const chunk = piece.chunk + bad;
      throw new OuterloopError("invalid-record", `${path}, chunk ${chunk}: ${reason}`, { chunk });
    }
    const values = new Float32Array(piece.elements);
    kernels.decode(records, k, values);
    await write(piece.first, values);
    onProgress?.(piece.first + piece.elements, elements);
  }
}
