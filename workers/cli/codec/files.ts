/**
 * Files of the codec commands: tensors in, objects and tensors out.
 *
 * @module
 */
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { OuterloopError } from "../../../schemas/index.ts";

/** Tensors that stand side by side in one flat vector. */
export interface Tensors {
  tensors: { name: string; shape: number[] }[];
  /** f32 [sum of elements], a copy that may be written. */
  values: Float32Array<ArrayBuffer>;
}

/** `.safetensors` by its name; any other file is one tensor of raw little-endian float32. */
export async function readTensors(path: string): Promise<Tensors> {
  const bytes = await readFile(path);
  if (path.endsWith(".safetensors")) return safetensors(path, bytes);
  const values = float32(path, bytes);
  return { tensors: [{ name: "tensor", shape: [values.length] }], values };
}

/** Raw little-endian float32; `elements`: how many there must be. */
export async function readVector(path: string, elements: number): Promise<Float32Array<ArrayBuffer>> {
  const values = float32(path, await readFile(path));
  if (values.length === elements) return values;
  throw invalid(path, `expected ${elements} float32 values as in the other file, got ${values.length}`);
}

function float32(path: string, bytes: Buffer): Float32Array<ArrayBuffer> {
  if (bytes.length === 0 || bytes.length % 4 !== 0)
    throw invalid(path, `expected float32 values of 4 bytes each, got ${bytes.length} bytes`);
  return new Float32Array(new Uint8Array(bytes).buffer);
}

/** Tensors in the order of their data; float32, or bfloat16, which is widened exactly. */
function safetensors(path: string, bytes: Buffer): Tensors {
  const headerBytes = bytes.length < 8 ? Number.NaN : Number(bytes.readBigUInt64LE(0));
  if (!(headerBytes <= bytes.length - 8))
    throw invalid(path, `expected a safetensors header, got ${bytes.length} bytes`);
  const data = bytes.subarray(8 + headerBytes);
  const entries = headerOf(path, bytes.toString("utf8", 8, 8 + headerBytes))
    .filter(([name]) => name !== "__metadata__")
    .map(([name, entry]) => checked(path, name, entry, data.length))
    .sort((a, b) => a.start - b.start);
  const values = new Float32Array(entries.reduce((sum, { elements }) => sum + elements, 0));
  if (values.length === 0) throw invalid(path, "it holds no tensors");
  let at = 0;
  for (const { start, elements, isWide } of entries) {
    for (let i = 0; i < elements; i++)
      values[at++] = isWide ? data.readFloatLE(start + 4 * i) : widened(data.readUInt16LE(start + 2 * i));
  }
  return { tensors: entries.map(({ name, shape }) => ({ name, shape })), values };
}

function headerOf(path: string, text: string): [string, unknown][] {
  try {
    return Object.entries(JSON.parse(text) as object);
  } catch {
    throw invalid(path, "its safetensors header is no JSON");
  }
}

function checked(path: string, name: string, entry: unknown, dataBytes: number) {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>;
  if (dtype !== "F32" && dtype !== "BF16")
    throw invalid(path, `tensor ${name} is ${String(dtype)}; F32 and BF16 can be read`);
  const isShape = Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 1);
  const elements = isShape ? (shape as number[]).reduce((product, size) => product * size, 1) : 0;
  const [start, end] = Array.isArray(offsets) ? (offsets as number[]) : [];
  const isWide = dtype === "F32";
  if (
    !isShape ||
    !Number.isSafeInteger(start) ||
    (start as number) < 0 ||
    end !== (start as number) + (isWide ? 4 : 2) * elements ||
    end > dataBytes
  )
    throw invalid(path, `tensor ${name} has no shape and place that fit each other and the file`);
  return { name, shape: shape as number[], elements, isWide, start: start as number };
}

function widened(bfloat16: number): number {
  const word = new DataView(new ArrayBuffer(4));
  word.setUint32(0, bfloat16 << 16);
  return word.getFloat32(0);
}

/** All of them, or none: nothing is in its place before everything is written. */
export async function writeFiles(files: readonly { path: string; bytes: Uint8Array }[]): Promise<void> {
  const unfinished = files.map(({ path }) => `${path}.${process.pid}.tmp`);
  try {
    for (const [i, { bytes }] of files.entries()) await writeFile(unfinished[i] as string, bytes);
    for (const [i, { path }] of files.entries()) await rename(unfinished[i] as string, path);
  } finally {
    for (const path of unfinished) await rm(path, { force: true });
  }
}

/** The bytes of a vector. */
export function bytesOf(vector: Float32Array): Uint8Array {
  return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
}

function invalid(path: string, problem: string): OuterloopError {
  return new OuterloopError("invalid-file", `${path}: ${problem}`, { path });
}
