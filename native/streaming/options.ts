/**
 * What all streams have in common: how much memory and how many threads, how to stop, how far it is.
 *
 * @module
 */
import { availableParallelism } from "node:os";
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
/** 4 MiB a vector: large enough that what a call costs is nothing, small enough that a piece takes a millisecond. */
const MOST_CHUNKS = 256;
/** The reference works in the event loop, and a turn of it is not to take longer. */
const MOST_CHUNKS_REFERENCE = 32;

export interface Room {
  /** One more than threads, so that one can be read or written while they compute. */
  lanes: number;
  /** Chunks of a piece. */
  chunks: number;
}

/**
 * @param bytesPerChunk - what one chunk of a piece takes in memory
 * @param shardChunks - chunks there are in all
 */
export function roomFor(
  { threads, workingSetBytes = WORKING_SET_BYTES }: StreamOptions,
  bytesPerChunk: number,
  shardChunks: number,
  backend: Backend,
): Room {
  const lanes = 1 + Math.max(1, threads ?? Math.min(availableParallelism(), poolThreads()));
  const fitting = Math.floor(workingSetBytes / lanes / bytesPerChunk);
  const most = backend === "native" ? MOST_CHUNKS : MOST_CHUNKS_REFERENCE;
  return { lanes, chunks: Math.max(1, Math.min(most, fitting, shardChunks)) };
}

/** Bytes of one chunk of an f32 vector. */
export const DENSE_BYTES = 4 * CHUNK;

/** libuv reads the variable itself, when the pool is first used; its own default is four. */
function poolThreads(): number {
  const set = Number(process.env.UV_THREADPOOL_SIZE);
  return Number.isInteger(set) && set >= 1 ? set : 4;
}
