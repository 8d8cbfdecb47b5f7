/**
 * The fast check of one uploaded shard, and the fan-in that makes a submission of all of a peer's checks.
 *
 * Everything here is a function of stored bytes, so a check done twice writes the same object twice.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { type ParsedShard, shardSizeBytes } from "../../native/codec.ts";
import {
  type Check,
  f64FromHex,
  f64ToHex,
  isOuterloopError,
  keys,
  type Roster,
  type Submission,
  sha256,
  toHex,
  toInstant,
  type VerdictReason,
} from "../../schemas/index.ts";
import { Draw } from "../coordinator/draws.ts";
import { closeLink } from "../coordinator/seed-chain.ts";
import type { ObjectInfo, ObjectStore } from "../storage/object-store.ts";
import { readFact, readForeignFact, secretsOf, writeDerivedFact } from "./objects.ts";
import type { RunContext } from "./run-context.ts";

/** Chunks of a shard whose kept indices go into the sketch: their overlap is known to about 2 %. */
const SKETCH_CHUNKS = 16;

export interface UploadedShard {
  round: number;
  peer: string;
  shard: number;
}

/**
 * Checks an upload and, when it was the last one, makes the submission. Does nothing for an upload without a commit
 * or a roster: whoever stored it had no ticket from this round. Returns true once the peer's submission stands.
 */
export async function checkUpload(context: RunContext, upload: UploadedShard): Promise<boolean> {
  const { run } = context;
  const { round, peer, shard } = upload;
  const [roster, commit] = await Promise.all([
    readFact(context, "roster", keys.roster(run, round)),
    readForeignFact(context, "commit", keys.commit(run, round, peer), peer),
  ]);
  if (roster === null || commit === null) return false;
  const committed = commit.body.shards.find((one) => one.shard === shard);
  if (committed === undefined) return false;

  const checkKey = keys.check(run, round, peer, shard);
  if ((await readFact(context, "check", checkKey)) === null) {
    const check = await examine(context, roster.body, upload, committed);
    if (check === null) return false;
    await writeDerivedFact(context, "check", checkKey, check);
  }
  return fanIn(
    context,
    round,
    peer,
    commit.body.shards.map((one) => one.shard),
  );
}

async function examine(
  context: RunContext,
  roster: Roster,
  { round, peer, shard }: UploadedShard,
  committed: { sizeBytes: number; sha256: string },
): Promise<Check | null> {
  const { layout, codec, store } = context;
  const key = keys.upload(context.run, round, peer, shard);
  const found = await read(store, key);
  if (found === null) return null;
  const { info } = found;
  const refused = (refusal: VerdictReason): Check => ({
    round,
    peer,
    shard,
    sha256: committed.sha256,
    uploadedAt: toInstant(info.lastModifiedMs),
    refusal,
    squaredNorms: [],
    sketch: "",
    decoded: committed.sha256,
  });

  const shape = layout.shards[shard];
  const expectedBytes = shape === undefined ? 0 : shardSizeBytes(shape, roster.keep);
  for (const actualBytes of [committed.sizeBytes, info.sizeBytes]) {
    if (actualBytes !== expectedBytes)
      return refused({ code: "size-mismatch", shard, expectedBytes, actualBytes });
  }
  const object = found.readable ? await store.get(key, { maxBytes: expectedBytes }) : "unreadable";
  if (object === null) return null;
  if (object === "unreadable") {
    const message = "the store does not give back what was uploaded: send the ticket's headers and no others";
    return refused({ code: "malformed-payload", shard, error: "unreadable", message });
  }
  const uploaded = sha256(object.bytes);
  if (uploaded !== committed.sha256) {
    return refused({ code: "hash-mismatch", shard, committed: committed.sha256, uploaded });
  }
  let parsed: ParsedShard;
  try {
    parsed = codec.parseShard(object.bytes, { layout, shard, round, k: roster.keep });
  } catch (error) {
    if (!isOuterloopError(error)) throw error;
    const message = error.message.slice(0, 500);
    return refused(
      error.code === "invalid-raw-value"
        ? { code: "non-finite", shard, message }
        : { code: "malformed-payload", shard, error: error.code.slice(0, 64), message },
    );
  }
  return {
    round,
    peer,
    shard,
    sha256: committed.sha256,
    uploadedAt: toInstant(info.lastModifiedMs),
    refusal: null,
    squaredNorms: [...codec.squaredNorms(parsed)].map((squaredNorm, part) => ({
      tensor: parsed.shard.parts[part]?.tensor ?? 0,
      squaredNorm: f64ToHex(squaredNorm),
    })),
    sketch: sketchOf(context, parsed, round),
    decoded: decodedHash(codec, parsed),
  };
}

/** SHA-256 of the dense values: what two encodings of one update have in common. */
function decodedHash(codec: RunContext["codec"], parsed: ParsedShard): string {
  const hash = createHash("sha256");
  for (const values of codec.decodeTiles(parsed)) hash.update(values);
  return toHex(hash.digest());
}

/**
 * A ticket cannot forbid further headers, and some stores let an uploader encrypt with a key that nobody else has: of such
 * an object only a listing knows.
 */
async function read(
  store: ObjectStore,
  key: string,
): Promise<{ info: ObjectInfo; readable: boolean } | null> {
  try {
    const info = await store.head(key);
    return info && { info, readable: true };
  } catch (error) {
    if (!isOuterloopError(error, "object-unreadable")) throw error;
    const { objects } = await store.list(key, { limit: 1 });
    const info = objects.find((object) => object.key === key);
    return info === undefined ? null : { info, readable: false };
  }
}

/** Kept indices of chunks that nobody can foresee: drawn from the link that only the close reveals. */
function sketchOf(context: RunContext, parsed: ParsedShard, round: number): string {
  const draw = new Draw(secretsOf(context).chain.link(closeLink(round)), `sketch/${parsed.shard.number}`);
  const chunks = draw.distinct(SKETCH_CHUNKS, parsed.shard.chunks).sort((a, b) => a - b);
  const supports = chunks.map((chunk) => {
    const support = context.codec.support(parsed, chunk);
    return Buffer.from(support.buffer, support.byteOffset, support.byteLength);
  });
  return Buffer.concat(supports).toString("base64");
}

/** Write your part, then look for the siblings: whoever sees all of them creates the whole. */
async function fanIn(
  context: RunContext,
  round: number,
  peer: string,
  shards: readonly number[],
): Promise<boolean> {
  const { run } = context;
  const found = await Promise.all(
    shards.map((shard) => readFact(context, "check", keys.check(run, round, peer, shard))),
  );
  const checks = found.flatMap((fact) => (fact === null ? [] : [fact.body]));
  if (checks.length < shards.length) return false;
  await writeDerivedFact(
    context,
    "submission",
    keys.submission(run, round, peer),
    submissionOf(context, peer, checks),
  );
  return true;
}

function submissionOf(context: RunContext, peer: string, unordered: readonly Check[]): Submission {
  const checks = [...unordered].sort((a, b) => a.shard - b.shard);
  const perTensor = new Array<number>(context.layout.tensors.length).fill(0);
  let total = 0;
  for (const { squaredNorms } of checks) {
    let shardTotal = 0;
    for (const { tensor, squaredNorm } of squaredNorms) {
      perTensor[tensor] = (perTensor[tensor] ?? 0) + f64FromHex(squaredNorm);
      shardTotal += f64FromHex(squaredNorm);
    }
    total += shardTotal;
  }
  const decoded = createHash("sha256");
  for (const check of checks) decoded.update(Buffer.from(check.decoded, "hex"));
  return {
    round: checks[0]?.round ?? 0,
    peer,
    uploadedAt:
      checks
        .map(({ uploadedAt }) => uploadedAt)
        .sort()
        .at(-1) ?? toInstant(0),
    refusal: checks.find(({ refusal }) => refusal !== null)?.refusal ?? null,
    tensorSquaredNorms: perTensor.map(f64ToHex),
    norm: f64ToHex(Math.sqrt(total)),
    sketch: checks.map(({ sketch }) => sketch),
    decoded: toHex(decoded.digest()),
  };
}
