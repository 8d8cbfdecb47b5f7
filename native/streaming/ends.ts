/**
 * Where streams come from and go to: memory, or whatever can read and write a range.
 *
 * @module
 */
import type { Vector } from "../bfloat16.ts";
import { checkLength, invalidArgument, overlap } from "../faults.ts";

/** Reads elements of an f32 vector that lies elsewhere. */
export interface Source {
  readonly elements: number;
  /** Fills all of `into` with the elements from `first` on. */
  read(first: number, into: Float32Array): Promise<unknown> | unknown;
}

/** Writes elements of an f32 vector that lies elsewhere. */
export interface Sink {
  readonly elements: number;
  /** `from` is good until what is returned is fulfilled. */
  write(first: number, from: Float32Array): Promise<unknown> | unknown;
}

/** Reads bytes of an object. */
export interface ByteSource {
  readonly sizeBytes: number;
  /** Fills all of `into` with the bytes from `offset` on. */
  read(offset: number, into: Uint8Array): Promise<unknown> | unknown;
}

/** Writes bytes of an object; ranges come in any order, the first bytes last. */
export interface ByteSink {
  /** `bytes` are good until what is returned is fulfilled. */
  write(offset: number, bytes: Uint8Array): Promise<unknown> | unknown;
}

/** A page and a cache line. */
const STAGGER_BYTES = 4_096 + 64;
const STAGGERS = 8;
let vectors = 0;

/**
 * A vector that background threads work on where it lies. Large ones often lie a power of two apart, and then elements of equal number
 * compete for the same few places of every cache, which costs a compress a third of its time: so each begins a little further on.
 */
export function sharedVector(elements: number): Float32Array<SharedArrayBuffer> {
  const offset = STAGGER_BYTES * (vectors++ % STAGGERS);
  return new Float32Array(new SharedArrayBuffer(offset + 4 * elements), offset, elements);
}

/** Bytes in memory, to be read. */
export function readBytes(bytes: Uint8Array): ByteSource {
  return {
    sizeBytes: bytes.length,
    read: (offset, into) => into.set(bytes.subarray(offset, offset + into.length)),
  };
}

/** Bytes in memory, to be written. */
export function writeBytes(bytes: Uint8Array): ByteSink {
  return { write: (offset, from) => bytes.set(from, offset) };
}

/** A range of an object, in memory of its own. */
export async function bytesAt(object: ByteSource, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await object.read(offset, bytes);
  return bytes;
}

/**
 * Where a lane finds the input of a piece: shared memory where it lies; anything else in its room.
 *
 * @returns the elements `first` to `first + room.length` - 1
 */
export type TileReader = (first: number, room: Float32Array) => Promise<Vector> | Vector;

/** @throws `invalid-argument` for another length, now or when it is read: memory that is not shared may be detached meanwhile. */
export function tileReader(name: string, from: Vector | Source, elements: number): TileReader {
  if (!isVector(from)) {
    checkElements(name, from, elements);
    return async (first, room) => {
      await from.read(first, room);
      return room;
    };
  }
  checkLength(name, from, elements);
  if (isShared(from)) return (first, room) => from.subarray(first, first + room.length);
  if (from instanceof Uint16Array)
    throw invalidArgument(`${name}: a bfloat16 vector must lie in a SharedArrayBuffer`);
  return (first, room) => {
    checkLength(name, from, elements);
    room.set(from.subarray(first, first + room.length));
    return room;
  };
}

/** Where a lane leaves the output of a piece: `place` gives it room, `done` says that it is full. */
export interface TileWriter {
  place(first: number, room: Float32Array): Vector;
  done(first: number, tile: Vector): Promise<unknown> | unknown;
}

/** @throws `invalid-argument`, as for {@link tileReader}. */
export function tileWriter(name: string, to: Vector | Sink, elements: number): TileWriter {
  if (!isVector(to)) {
    checkElements(name, to, elements);
    return { place: (_, room) => room, done: (first, tile) => to.write(first, tile as Float32Array) };
  }
  checkLength(name, to, elements);
  if (isShared(to))
    return { place: (first, room) => to.subarray(first, first + room.length), done: () => {} };
  if (to instanceof Uint16Array)
    throw invalidArgument(`${name}: a bfloat16 vector must lie in a SharedArrayBuffer`);
  return {
    place: (_, room) => room,
    done: (first, tile) => {
      checkLength(name, to, elements);
      to.set(tile, first);
    },
  };
}

/** True for two views of the same elements. */
export function areOne(a: Vector | Source | Sink, b: Vector | Source | Sink): boolean {
  return isVector(a) && isVector(b) && a.buffer === b.buffer && a.byteOffset === b.byteOffset;
}

/** @throws `invalid-argument` if two vectors have memory in common: one would be written before the other is read. */
export function checkApart(names: string, a: Vector | Source | Sink, b: Vector | Source | Sink): void {
  if (!isVector(a) || !isVector(b) || !overlap(a, b)) return;
  throw invalidArgument(`${names} share memory`);
}

/** How many of these are not worked on where they lie. */
export function copiedOf(...ends: (Vector | Source | Sink)[]): number {
  return ends.filter((end) => !isVector(end) || !isShared(end)).length;
}

function isVector(one: Vector | Source | Sink): one is Vector {
  return ArrayBuffer.isView(one);
}

function isShared(vector: Vector): boolean {
  return vector.buffer instanceof SharedArrayBuffer;
}

function checkElements(name: string, { elements: actual }: { elements: number }, elements: number): void {
  checkLength(name, { length: actual }, elements);
}
