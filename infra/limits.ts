/**
 * Memory and time of the functions that work on runs, from the size of the largest run that a stage is for. Pure.
 *
 * @module
 */
import { CHUNK } from "../native/layout.ts";
import { recordFormat } from "../native/record.ts";
import { OuterloopError } from "../schemas/errors.ts";
import type { RunSize } from "./stage.ts";

export interface Limits {
  memoryMB: number;
  timeoutSeconds: number;
}

const MIB = 2 ** 20;
const BYTES_PER_ELEMENT = 4;

/** Node, the bundle, the SDK's buffers and what the collector has not yet taken away. */
const BASE_BYTES = 256 * MIB;
/** Lambda gives processors by memory: one whole core at 1,769 MB. Below this, starting costs more than it saves. */
const LEAST_MB = 1_024;
const MOST_MB = 10_240;
const LEAST_SECONDS = 30;
const MOST_SECONDS = 900;

/** One stream from or to S3. Functions see more; this is what they must be able to live with. */
const BYTES_PER_SECOND = 40e6;
/** Apply by the TypeScript codec and hash, per element; about half is the codec (docs/benchmarks.md). */
const SECONDS_PER_ELEMENT = 30e-9;
/** Retries and slow neighbours. */
const SLACK = 3;

/** One S3 request, there and back, the slow ones included. */
const REQUEST_SECONDS = 0.05;
/** Per shard of a peer: its line in the commit, and 16 chunks of indices (u16, base64) in the submission. */
const COMMIT_BYTES = 150;
const SKETCH_CHUNKS = 16;
/** A fact as bytes, text, parsed, in canonical form to verify it; the same again for rounds still in the cache. */
const FACT_COPIES = 8;

/** What each kind of work on a shard holds in memory at once, in bytes. */
export function shardBytes({ chunksPerShard, keep, maxSelected }: RunSize) {
  const payload = chunksPerShard * recordFormat(keep).recordBytes;
  const dense = chunksPerShard * CHUNK * BYTES_PER_ELEMENT;
  const payloads = maxSelected * payload;
  return {
    payload,
    dense,
    /** The upload, its records, and every value decoded: their hash is what finds copies. */
    check: 2 * payload + dense,
    /** All payloads, the aggregate made of them, and the one that stands already when work comes twice. */
    aggregate: 3 * payloads,
    /** Object, parameters, result of the step, object to write, and the one that stands already; and the aggregate. */
    state: 5 * dense + payloads,
  };
}

/**
 * Limits of the function that checks uploads, aggregates shards and writes states (`shard-too-large`: Lambda has no
 * function of that size).
 */
export function shardLimits(size: RunSize): Limits {
  const { payload, dense, check, aggregate, state } = shardBytes(size);
  const neededMB = Math.ceil((BASE_BYTES + Math.max(check, aggregate, state)) / MIB);
  if (neededMB > MOST_MB) {
    throw new OuterloopError(
      "shard-too-large",
      `shards of ${size.chunksPerShard} chunks need ${neededMB} MB, a function has at most ${MOST_MB} MB: use fewer chunks per shard`,
      { ...size, neededMB },
    );
  }
  // The state moves most: parameters in, aggregate in, parameters out.
  const movedBytes = 2 * dense + size.maxSelected * payload;
  const elements = dense / BYTES_PER_ELEMENT;
  return {
    memoryMB: Math.max(LEAST_MB, neededMB),
    timeoutSeconds: seconds(SLACK * (movedBytes / BYTES_PER_SECOND + elements * SECONDS_PER_ELEMENT)),
  };
}

/** Limits of the functions that decide (`too-many-peers`): they hold every commit and submission of a round. */
export function decideLimits({ keep, maxPeers, shards }: RunSize): Limits {
  const sketchBytes = Math.ceil((SKETCH_CHUNKS * keep * 2 * 4) / 3);
  const roundBytes = maxPeers * shards * (COMMIT_BYTES + sketchBytes);
  const neededMB = Math.ceil((BASE_BYTES + FACT_COPIES * roundBytes) / MIB);
  if (neededMB > MOST_MB) {
    throw new OuterloopError(
      "too-many-peers",
      `${maxPeers} peers of ${shards} shards need ${neededMB} MB, a function has at most ${MOST_MB} MB: use fewer, larger shards`,
      { maxPeers, shards, neededMB },
    );
  }
  // A close reads commit and submission of one peer after the other, then work for every shard is sent.
  const requests = 2 * maxPeers + shards;
  return {
    memoryMB: Math.max(LEAST_MB, neededMB),
    timeoutSeconds: seconds(SLACK * requests * REQUEST_SECONDS),
  };
}

function seconds(estimate: number): number {
  return Math.min(MOST_SECONDS, Math.ceil(LEAST_SECONDS + estimate));
}
