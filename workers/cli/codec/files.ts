/**
 * Files of the codec commands, of any size: vectors in, objects and vectors out.
 *
 * @module
 */
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { fromBfloat16 } from "../../../native/bfloat16.ts";
import type { ByteSource, Source } from "../../../native/codec.ts";
import { OuterloopError } from "../../../schemas/index.ts";

const HEADER_LENGTH_BYTES = 8;
/** What writers of safetensors allow themselves at most. */
const MOST_HEADER_BYTES = 100_000_000;

/** Files that are open until the work is done. */
export interface Opened<What> {
  what: What;
  close(): Promise<void>;
}

/** Tensors that stand side by side in one flat vector. */
export interface Tensors extends Source {
  tensors: { name: string; shape: number[] }[];
}

/** A file, to be read by range. */
export async function openBytes(path: string): Promise<Opened<ByteSource>> {
  const file = await open(path);
  const { size } = await file.stat();
  const what = {
    sizeBytes: size,
    read: (offset: number, into: Uint8Array) => readAt(path, file, offset, into),
  };
  return { what, close: () => file.close() };
}

/** `.safetensors` by its name; any other file is one tensor of raw little-endian float32. */
export async function openTensors(path: string): Promise<Opened<Tensors>> {
  const { what: bytes, close } = await openBytes(path);
  try {
    if (path.endsWith(".safetensors")) return { what: await safetensors(path, bytes), close };
    const vector = float32(path, bytes);
    return { what: { ...vector, tensors: [{ name: "tensor", shape: [vector.elements] }] }, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Raw little-endian float32; `elements`: how many there must be. */
export async function openVector(path: string, elements: number): Promise<Opened<Source>> {
  const { what: bytes, close } = await openBytes(path);
  try {
    const what = float32(path, bytes);
    if (what.elements === elements) return { what, close };
    throw invalid(path, `expected ${elements} float32 values as in the other file, got ${what.elements}`);
  } catch (error) {
    await close();
    throw error;
  }
}

function float32(path: string, { sizeBytes, read }: ByteSource): Source {
  if (sizeBytes === 0 || sizeBytes % 4 !== 0)
    throw invalid(path, `expected float32 values of 4 bytes each, got ${sizeBytes} bytes`);
  return { elements: sizeBytes / 4, read: (first, into) => read(4 * first, bytesOf(into)) };
}

interface Entry {
  name: string;
  shape: number[];
  isWide: boolean;
  elements: number;
  /** In the file. */
  start: number;
  /** First element in the flat vector. */
  first: number;
}

/** Tensors in the order of their data; float32, or bfloat16, which is widened exactly. */
async function safetensors(path: string, bytes: ByteSource): Promise<Tensors> {
  const length = Buffer.alloc(HEADER_LENGTH_BYTES);
  if (bytes.sizeBytes >= HEADER_LENGTH_BYTES) await bytes.read(0, length);
  const headerBytes = Number(length.readBigUInt64LE());
  if (headerBytes === 0 || headerBytes > Math.min(MOST_HEADER_BYTES, bytes.sizeBytes - HEADER_LENGTH_BYTES))
    throw invalid(path, `expected a safetensors header, got ${bytes.sizeBytes} bytes`);
  const header = Buffer.alloc(headerBytes);
  await bytes.read(HEADER_LENGTH_BYTES, header);
  const dataStart = HEADER_LENGTH_BYTES + headerBytes;
  const entries = headerOf(path, header.toString("utf8"))
    .filter(([name]) => name !== "__metadata__")
    .map(([name, entry]) => checked(path, name, entry, bytes.sizeBytes - dataStart))
    .sort((a, b) => a.start - b.start);
  let elements = 0;
  for (const entry of entries) {
    entry.start += dataStart;
    entry.first = elements;
    elements += entry.elements;
  }
  if (elements === 0) throw invalid(path, "it holds no tensors");
  return {
    tensors: entries.map(({ name, shape }) => ({ name, shape })),
    elements,
    async read(first, into) {
      let at = 0;
      for (const entry of entries) {
        const from = first + at - entry.first;
        if (from < 0 || from >= entry.elements || at === into.length) continue;
        const own = into.subarray(at, at + Math.min(into.length - at, entry.elements - from));
        await readElements(bytes, entry, from, own);
        at += own.length;
      }
    },
  };
}

async function readElements(
  bytes: ByteSource,
  { start, isWide }: Entry,
  from: number,
  into: Float32Array,
): Promise<void> {
  if (isWide) {
    await bytes.read(start + 4 * from, bytesOf(into));
    return;
  }
  const halves = new Uint16Array(into.length);
  await bytes.read(start + 2 * from, bytesOf(halves));
  for (let i = 0; i < into.length; i++) into[i] = fromBfloat16(halves[i] as number);
}

function headerOf(path: string, text: string): [string, unknown][] {
  try {
    return Object.entries(JSON.parse(text) as object);
  } catch {
    throw invalid(path, "its safetensors header is no JSON");
  }
}

function checked(path: string, name: string, entry: unknown, dataBytes: number): Entry {
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
  return { name, shape: shape as number[], elements, isWide, start: start as number, first: 0 };
}

/** Writes bytes of a file that is not in its place yet. */
export type Write = (offset: number, bytes: Uint8Array) => Promise<void>;

/** Files that are written together: none is in its place before all are complete, and the first one comes there last. */
export async function writeFiles(
  paths: readonly string[],
  work: (writes: readonly Write[]) => Promise<unknown>,
): Promise<void> {
  for (const path of paths)
    if ((await stat(path).catch(() => null))?.isDirectory())
      throw invalid(path, "it is a folder, not a file to write");
  const unfinished = paths.map((path) => `${path}.${process.pid}.tmp`);
  const files: FileHandle[] = [];
  try {
    for (const path of unfinished) files.push(await open(path, "w"));
    await work(files.map((file) => (offset, bytes) => writeAt(file, offset, bytes)));
    for (const file of files.splice(0)) await file.close();
    for (const [i, path] of [...paths.entries()].reverse()) await rename(unfinished[i] as string, path);
  } finally {
    for (const file of files) await file.close();
    for (const path of unfinished) await rm(path, { force: true });
  }
}

/** The bytes of a vector. */
export function bytesOf(vector: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
}

async function readAt(path: string, file: FileHandle, offset: number, into: Uint8Array): Promise<void> {
  for (let at = 0; at < into.length; ) {
    const { bytesRead } = await file.read(into, at, into.length - at, offset + at);
    if (bytesRead === 0) throw invalid(path, `it ends at byte ${offset + at}: it was cut off meanwhile`);
    at += bytesRead;
  }
}

async function writeAt(file: FileHandle, offset: number, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; )
    at += (await file.write(bytes, at, bytes.length - at, offset + at)).bytesWritten;
}

export function invalid(path: string, problem: string): OuterloopError {
  return new OuterloopError("invalid-file", `${path}: ${problem}`, { path });
}
