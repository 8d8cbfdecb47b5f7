/**
 * The addon against the reference, for so many seconds: odd input of every kind, k and type, several rounds of error feedback, then
 * everything that reads the records. Every byte must be the same, on each instruction set.
 *
 *     node native/fuzz/agreement.ts SECONDS [SEED]
 *
 * @module
 */
import { loadAddon } from "../addon.ts";
import { nearestBfloat16, type Vector } from "../bfloat16.ts";
import { CHUNK, KEEP_COUNTS, type KeepCount } from "../codec.ts";
import { type Kernels, referenceKernels } from "../kernels.ts";
import { recordFormat } from "../record.ts";
import { bytesOf, type OddInput, oddValues } from "../testing.ts";

const KINDS: OddInput["kind"][] = ["random", "ties", "denormal", "huge", "zeros", "spike", "bits", "sorted"];
const BETAS = [0, 0.5, Math.fround(0.95), 1];
const ROUNDS = 3;

const [seconds = 10, seed = 1] = process.argv.slice(2).map(Number);
let addon: readonly Kernels[] = [];
try {
  addon = loadAddon();
} catch {
  process.stdout.write("agreement: left out, there is no addon here\n");
  process.exit(0);
}

let state = seed | 0;
const random = (limit: number) => {
  state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
  return ((state ^ (state >>> 13)) >>> 0) % limit;
};
const one = <Item>(items: readonly Item[]) => items[random(items.length)] as Item;

const endMs = performance.now() + 1_000 * seconds;
let chunks = 0;
while (performance.now() < endMs) chunks += tried();
process.stdout.write(
  `agreement: ${chunks} chunks, the same on ${addon.length} instruction sets and in TypeScript\n`,
);

/** Returns how many chunks were compared. */
function tried(): number {
  const k = one(KEEP_COUNTS);
  const kind = one(KINDS);
  const elements = one([random(300) + 1, CHUNK, CHUNK, 2 * CHUNK, random(9_000) + 1]);
  const own = random(2 ** 31);
  const isNarrow = random(4) === 0;
  let error = oddValues({ kind, seed: ~own, elements });
  for (let round = 0; round < ROUNDS; round++) {
    const values = oddValues({ kind, seed: own + round, elements });
    const delta = isNarrow ? Uint16Array.from(values, nearestBfloat16) : values;
    const beta = one(BETAS);
    const wanted = results(referenceKernels, delta, error, beta, k);
    for (const kernels of addon) {
      const found = results(kernels, delta, error, beta, k);
      if (found.every((bytes, i) => bytes.equals(wanted[i] as Buffer))) continue;
      const what = JSON.stringify({ k, kind, elements, seed: own, isNarrow, round, beta });
      process.stderr.write(`the addon gives other bytes than the reference for ${what}\n`);
      process.exit(1);
    }
    const [next] = wanted;
    if (next === undefined || next.length === 0) break;
    error = new Float32Array(new Uint8Array(next).buffer);
  }
  return ROUNDS * Math.ceil(elements / CHUNK);
}

/** The error state after, or nothing where an element is not finite, and whatever else comes out. */
function results(kernels: Kernels, delta: Vector, error: Float32Array, beta: number, k: KeepCount): Buffer[] {
  const elements = delta.length;
  const chunks = Math.ceil(elements / CHUNK);
  const records = new Uint8Array(chunks * recordFormat(k).recordBytes);
  const next = new Float32Array(elements);
  const bad = kernels.compress(delta, error, next, beta, k, records);
  if (bad >= 0) return [Buffer.alloc(0), Buffer.from(`${bad}`)];
  const norms = new Float64Array(chunks);
  kernels.recordNorms(records, k, norms);
  const dense = new Float32Array(elements);
  kernels.decode(records, k, dense);
  const theta = delta.slice();
  const found = [
    kernels.findInvalid(records, k, elements, 1),
    kernels.aggregate(records, k, Float32Array.of(0.75), 1.5, theta, theta),
    kernels.crc32c(records, 1),
  ];
  return [next, records, norms, dense, theta, Float64Array.from(found)].map(bytesOf);
}
