/**
 * Makes the conformance vectors in `test/vectors/slc1`: for every k, the objects of two peers, their aggregate,
 * and digests of everything else. `node native/vectors.ts` writes them; a test makes them again and compares.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { f32FromHex, f64ToHex } from "../schemas/primitives.ts";
import {
  type Codec,
  createLayout,
  KEEP_COUNTS,
  type KeepCount,
  loadCodec,
  type UpdateLayout,
} from "./codec.ts";

/** What an array of input is filled with; each kind is described in `test/vectors/ef84/README.md`. */
export type ValueKind = "zero" | "bell" | "heavy" | "ties" | "equal";

/** How an array of input is made. */
export interface Generator {
  kind: ValueKind;
  seed: number;
}

/** Folder of the vectors, at the repository root. */
export const VECTORS = new URL("../test/vectors/slc1/", import.meta.url);

const ROUND = 7;
const BETA_BITS = "3f733333";
const ALPHA_BITS = "3fa66666";
const THETA: Generator = { kind: "bell", seed: 900 };
/** Small, and with every kind of part: raw, whole chunks, tails longer and shorter than k, a tensor in two shards. */
const TENSORS = [
  { name: "first.norm", shape: [10] },
  { name: "matrix", shape: [50, 100] },
  { name: "matrix.wide", shape: [2, 2050] },
  { name: "last.norm", shape: [7] },
];
const PEERS = [
  { id: "11".repeat(32), coefficientBits: "3f000000", delta: "heavy", error: "bell" },
  { id: "ee".repeat(32), coefficientBits: "3eaaaaab", delta: "bell", error: "ties" },
] as const;

/** Fills an array by integer arithmetic only, so that any language makes the same one. */
export function generateValues({ kind, seed }: Generator, elements: number): Float32Array {
  let state = seed;
  const next = () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
  const draw: Record<ValueKind, () => number> = {
    zero: () => 0,
    equal: () => f32FromHex("3f555555"),
    bell: () => {
      const [a, b] = [next(), next()];
      return ((a & 0xffff) + (a >>> 16) + (b & 0xffff) + (b >>> 16) - 131070) * 2 ** -24;
    },
    heavy: () => {
      const [a, b] = [next(), next()];
      const magnitude = (1 + (a & 0x7fffff)) * 2 ** (Math.clz32(b | 1) - 40);
      return a >>> 31 === 1 ? -magnitude : magnitude;
    },
    ties: () => {
      const a = next();
      return ((a >>> 8) & 3) * (a & 1 ? -0.25 : 0.25);
    },
  };
  return Float32Array.from({ length: elements }, draw[kind]);
}

/** All files of the vectors, `index.json` included, by name. */
export function buildVectors(codec: Codec): Map<string, Uint8Array> {
  const layout = createLayout(TENSORS, 3);
  const files = new Map<string, Uint8Array>();
  const cases = KEEP_COUNTS.map((k) => buildCase(codec, layout, k, files));
  const index = {
    format: "SLC1 version 2 and SLA1 version 1",
    tensors: TENSORS,
    chunksPerShard: 3,
    schemaDigest: layout.schemaDigest,
    round: ROUND,
    betaBits: BETA_BITS,
    alphaBits: ALPHA_BITS,
    thetaGenerator: THETA,
    cases,
  };
  files.set("index.json", Buffer.from(`${JSON.stringify(index, null, 1)}\n`));
  return files;
}

function buildCase(codec: Codec, layout: UpdateLayout, k: KeepCount, files: Map<string, Uint8Array>) {
  const addFile = (name: string, bytes: Uint8Array) => {
    files.set(name, bytes);
    return { file: name, bytes: bytes.length, sha256: sha256(bytes) };
  };
  const theta = generateValues(THETA, layout.parameters);
  const submissions = PEERS.map((peer, p) => {
    const delta: Generator = { kind: peer.delta, seed: 10 * k + 2 * p };
    const error: Generator = { kind: peer.error, seed: 10 * k + 2 * p + 1 };
    const before = generateValues(error, layout.parameters);
    const state = new Float32Array(layout.parameters);
    const beta = f32FromHex(BETA_BITS);
    const options = { round: ROUND, k, beta };
    const values = generateValues(delta, layout.parameters);
    const objects = codec.compressUpdate(layout, values, before, state, options);
    const shards = objects.map((bytes, shard) => codec.parseShard(bytes, { layout, shard, round: ROUND, k }));
    const described = {
      peer: peer.id,
      coefficientBits: peer.coefficientBits,
      deltaGenerator: delta,
      errorGenerator: error,
      errorAfterSha256: sha256(state),
      objects: objects.map((bytes, shard) => addFile(`k${k}/peer-${p}.${shard}.slc`, bytes)),
      decodedSha256: shards.map((shard) => sha256(codec.decode(shard))),
      squaredNormBits: shards.map((shard) => Array.from(codec.squaredNorms(shard), f64ToHex)),
    };
    return { described, shards };
  });
  const aggregates = layout.shards.map(({ number: shard }) => {
    const entries = submissions.flatMap(({ described, shards }) => {
      const [object, parsed] = [described.objects[shard], shards[shard]];
      if (!object || !parsed) return [];
      const { peer, coefficientBits } = described;
      return [{ peer, sha256: object.sha256, coefficientBits, shard: parsed }];
    });
    const bytes = codec.buildAggregate({ layout, shard, round: ROUND, k, entries });
    const aggregate = codec.parseAggregate(bytes, { layout, shard, round: ROUND, k });
    codec.applyAggregate(aggregate, ALPHA_BITS, theta, theta);
    return addFile(`k${k}/aggregate.${shard}.sla`, bytes);
  });
  return {
    k,
    submissions: submissions.map(({ described }) => described),
    aggregates,
    thetaAfterSha256: sha256(theta),
  };
}

function sha256(array: Uint8Array | Float32Array): string {
  return createHash("sha256").update(array).digest("hex");
}

if (import.meta.main) {
  for (const [name, bytes] of buildVectors(loadCodec({ backend: "reference" }))) {
    const file = new URL(name, VECTORS);
    mkdirSync(dirname(file.pathname), { recursive: true });
    writeFileSync(file, bytes);
  }
}
