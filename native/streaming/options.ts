/**
 * What all streams have in common: how much memory and how many threads, how to stop, how far it is.
 *
 * @module
 */
import { availableParallelism } from "node:os";
import { invalidArgument } from "../faults.ts";
import type { Backend } from "../kernels.ts";
import { CHUNK } from "../layout.ts";

export interface StreamOptions {
  /** Ends the work early: it throws the signal's reason once nothing is under way any more. */
  signal?: AbortSignal | undefined;
  /** Elements done, of all. */
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** Pieces that background threads work on at once; by default what libuv's pool and the processor have. */
  threads?: number | undefined;
  /** Bytes that pieces under way may take, beside whole vectors and objects in memory (64 MiB). */
  workingSetBytes?: number | undefined;
}

const WORKING_SET_BYTES = 64 * 2 ** 20;
/** 16 MiB a vector, some milliseconds on another thread: that one of them waits for the event loop in between costs nothing. */
const MOST_CHUNKS = 1_024;
/** Of what passes through memory of its own, 4 MiB a vector: the event loop copies it. */
const MOST_CHUNKS_COPIED = 256;
/** Of objects: they are copied, checked and hashed in the event loop. */
const MOST_OBJECT_BYTES = 2 * 2 ** 20;
/** The reference works in the event loop, and a turn of it is not to take longer. */
const MOST_CHUNKS_REFERENCE = 32;

export interface Room {
  /** Two more than threads: one is read or written while they compute, and one is ready when the next of them has ended. */
  lanes: number;
  /** Chunks of a piece. */
  chunks: number;
}

/**
 * How a stream works, before it begins.
 *
 * @throws `invalid-argument`; the reason of a signal that is aborted already
 * @param copied - vectors that pass through memory of the piece
 * @param objectBytes - of one chunk, read or written
 * @param shardChunks - chunks there are in all
 */
export function roomFor(
  { threads, workingSetBytes = WORKING_SET_BYTES, signal }: StreamOptions,
  { copied, objectBytes, shardChunks }: { copied: number; objectBytes: number; shardChunks: number },
  backend: Backend,
): Room {
  signal?.throwIfAborted();
  if (threads !== undefined && !(Number.isSafeInteger(threads) && threads >= 1))
    throw invalidArgument(`threads must be a whole number from 1, not ${threads}`);
  if (!(Number.isFinite(workingSetBytes) && workingSetBytes > 0))
    throw invalidArgument(`workingSetBytes must be above 0 and finite, not ${workingSetBytes}`);
  const lanes = 2 + (threads ?? Math.min(availableParallelism(), poolThreads()));
  const fitting = Math.floor(workingSetBytes / lanes / (copied * 4 * CHUNK + objectBytes));
  const most =
    backend === "reference" ? MOST_CHUNKS_REFERENCE : copied > 0 ? MOST_CHUNKS_COPIED : MOST_CHUNKS;
  const forObjects = Math.floor(MOST_OBJECT_BYTES / objectBytes);
  return { lanes, chunks: Math.max(1, Math.min(most, forObjects, fitting, shardChunks)) };
}

/** libuv reads the variable itself, when the pool is first used; its own default is four. */
function poolThreads(): number {
  const set = Number(process.env.UV_THREADPOOL_SIZE);
  return Number.isInteger(set) && set >= 1 ? set : 4;
}
