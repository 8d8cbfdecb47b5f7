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
/** Reads and sends that are under way together; `functions/rounds/in-parallel.ts`. */
const REQUESTS_AT_ONCE = 32;
/** Keys in a page of a listing; pages come one after the other. */
const KEYS_PER_PAGE = 1_000;
/** The sweep looks back over 50 rounds of a run, two requests for each, in turn (`functions/rounds/upkeep.ts`); two runs. */
const LOOK_BACK_REQUESTS = 2 * 50 * 2;
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
    /** The upload and its records. */
    check: 2 * payload,
    /** All payloads, the aggregate made of them, and the one that stands already when work comes twice. */
    aggregate: 3 * payloads,
    /** Object, parameters, object to write, and the one that stands already; and the aggregate. */
    state: 4 * dense + payloads,
  };
}

/**
 * Limits of the function that checks uploads, aggregates shards and writes states. Lambda may have no function of that
 * size (`shard-too-large`) or with so much time (`shard-too-slow`).
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
  // The state takes longest: parameters in, the aggregate of each round since the last state in and applied, parameters
  // out.
  const movedBytes = 2 * dense + size.stateEveryRounds * size.maxSelected * payload;
  const applied = size.stateEveryRounds * (dense / BYTES_PER_ELEMENT);
  const neededSeconds = seconds(movedBytes / BYTES_PER_SECOND + applied * SECONDS_PER_ELEMENT);
  if (neededSeconds > MOST_SECONDS) {
    throw new OuterloopError(
      "shard-too-slow",
      `a state every ${size.stateEveryRounds} rounds of shards of ${size.chunksPerShard} chunks needs ${neededSeconds} s, ` +
        `a function has at most ${MOST_SECONDS} s: publish states more often, or use fewer chunks per shard`,
      { ...size, neededSeconds },
    );
  }
  return { memoryMB: Math.max(LEAST_MB, neededMB), timeoutSeconds: neededSeconds };
}

/**
 * Limits of the functions that decide, the sweep among them (`too-many-peers`): they hold every commit and submission of
 * a round.
 */
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
  // A close lists uploads, and checks, commits and submissions, reads the latter two, then sends work for every shard.
  const pages = Math.ceil((maxPeers * (2 * shards + 2)) / KEYS_PER_PAGE);
  const inTurn = (2 * maxPeers + shards) / REQUESTS_AT_ONCE + pages + LOOK_BACK_REQUESTS;
  const neededSeconds = seconds(inTurn * REQUEST_SECONDS);
  if (neededSeconds > MOST_SECONDS) {
    throw new OuterloopError(
      "too-many-peers",
      `a round of ${maxPeers} peers of ${shards} shards needs ${neededSeconds} s, a function has at most ${MOST_SECONDS} s: use fewer, larger shards`,
      { maxPeers, shards, neededSeconds },
    );
  }
  return { memoryMB: Math.max(LEAST_MB, neededMB), timeoutSeconds: neededSeconds };
}

function seconds(estimate: number): number {
  return Math.ceil(LEAST_SECONDS + SLACK * estimate);
}
