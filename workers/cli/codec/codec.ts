/**
 * `outerloop codec`: the codec on files, for whoever tests one of their own against ours.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import {
  CHUNK,
  createLayout,
  type KeepCount,
  loadCodec,
  loadKernels,
  recordFormat,
} from "../../../native/codec.ts";
import { recordAt } from "../../../native/decode.ts";
import { expectationOf } from "../../../native/describe.ts";
import { recordFault } from "../../../native/record.ts";
import { isOuterloopError, OuterloopError } from "../../../schemas/index.ts";
import { bytesOf, readTensors, readVector, type Tensors, writeFiles } from "./files.ts";

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
export async function encode(options: EncodeOptions): Promise<void> {
  const delta = await readTensors(options.delta);
  const { values, tensors } = delta;
  const before =
    options.error === undefined
      ? new Float32Array(values.length)
      : await readVector(options.error, values.length);
  const after = new Float32Array(values.length);
  let update: Uint8Array;
  try {
    update = options.rawRecords
      ? bareRecords(delta, before, after, options)
      : container(delta, before, after, options);
  } catch (fault) {
    if (!isOuterloopError(fault, "non-finite-value")) throw fault;
    throw inTensor(tensors, Number(fault.details.element), fault);
  }
  const { out, errorOut } = options;
  await writeFiles([
    { path: out, bytes: update },
    ...(errorOut === undefined ? [] : [{ path: errorOut, bytes: bytesOf(after) }]),
  ]);
}

function container(
  { values, tensors }: Tensors,
  error: Float32Array,
  next: Float32Array,
  { k, beta, round }: EncodeOptions,
): Uint8Array {
  const layout = createLayout(tensors, Math.ceil(values.length / CHUNK) + tensors.length);
  const [object] = loadCodec().compressUpdate(layout, values, error, next, { round, k, beta });
  if (object === undefined) throw new Error("a layout has at least one shard");
  return object;
}

function bareRecords(
  { values, tensors }: Tensors,
  error: Float32Array,
  next: Float32Array,
  { k, beta, delta }: EncodeOptions,
): Uint8Array {
  if (tensors.length > 1)
    throw new OuterloopError(
      "invalid-option",
      `--raw-records: ${delta} holds ${tensors.length} tensors, expected one`,
    );
  const records = new Uint8Array(Math.ceil(values.length / CHUNK) * recordFormat(k).recordBytes);
  const element = loadKernels().compress(values, error, next, Math.fround(beta), k, records);
  if (element >= 0)
    throw new OuterloopError(
      "non-finite-value",
      `beta * e + delta is not finite: delta ${values[element]}, e ${error[element]}`,
      { element },
    );
  return records;
}

/** The same error, by the place within a tensor. */
function inTensor(tensors: Tensors["tensors"], element: number, { message }: Error): OuterloopError {
  let first = 0;
  for (const { name, shape } of tensors) {
    const elements = shape.reduce((product, size) => product * size, 1);
    if (element < first + elements)
      return new OuterloopError(
        "non-finite-value",
        `tensor ${name}, element ${element - first}: ${message}`,
        {
          tensor: name,
          element: element - first,
        },
      );
    first += elements;
  }
  return new OuterloopError("non-finite-value", message, { element });
}

export interface DecodeOptions {
  in: string;
  out: string;
  /** Bare records of a tensor of so many elements; undefined: a container, which says so itself. */
  bare: { elements: number; k: KeepCount } | undefined;
}

/** Writes the dense values, f32. Typed errors `invalid-container`, `invalid-record`, `invalid-raw-value`, `invalid-file`. */
export async function decode({ in: path, out, bare }: DecodeOptions): Promise<void> {
  const bytes = await readFile(path);
  const values = bare === undefined ? decodeContainer(bytes) : decodeBare(path, bytes, bare);
  await writeFiles([{ path: out, bytes: bytesOf(values) }]);
}

function decodeContainer(bytes: Uint8Array): Float32Array {
  const codec = loadCodec();
  return codec.decode(codec.parseShard(bytes, expectationOf(bytes)));
}

function decodeBare(
  path: string,
  records: Uint8Array,
  { elements, k }: { elements: number; k: KeepCount },
): Float32Array {
  const format = recordFormat(k);
  const expected = Math.ceil(elements / CHUNK) * format.recordBytes;
  if (records.length !== expected)
    throw new OuterloopError(
      "invalid-file",
      `${path}: expected ${expected} bytes for ${elements} elements at k = ${k}, got ${records.length}`,
    );
  const kernels = loadKernels();
  const chunk = kernels.findInvalid(records, k, elements, 1);
  if (chunk >= 0) {
    const own = Math.min(CHUNK, elements - CHUNK * chunk);
    const reason = recordFault(format, recordAt(records, format, chunk), own);
    throw new OuterloopError("invalid-record", `${path}, chunk ${chunk}: ${reason}`, { chunk });
  }
  const values = new Float32Array(elements);
  kernels.decode(records, k, values);
  return values;
}
