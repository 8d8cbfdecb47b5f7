/**
 * Loads the C++ addon (`addon.cc`) and shows it as {@link Kernels}, after a self-test against the reference.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import nodeGypBuild from "node-gyp-build";
import { OuterloopError } from "../schemas/errors.ts";
import { type Kernels, referenceKernels } from "./kernels.ts";
import { CHUNK } from "./layout.ts";
import { KEEP_COUNTS, type KeepCount, recordFormat } from "./record.ts";

/** `build.mjs` puts addons into the folder `prebuilds` in here; a bundle has it one level above its modules. */
const FOLDER = fileURLToPath(new URL("..", import.meta.url));

/** What the addon exports: kernels for each instruction set that this processor has. */
type Addon = Record<"portable", AddonKernels> & Partial<Record<"avx2", AddonKernels>>;
type AddonKernels = Omit<Kernels, "backend">;

/**
 * Loads the addon of this machine and checks it: the kernels of the best instruction set first.
 *
 * @throws whatever the loader throws; `native-codec-differs` where its results are not those of the reference.
 */
export function loadAddon(): [Kernels, ...Kernels[]] {
  const { portable, avx2 } = nodeGypBuild(FOLDER) as Addon;
  const sets = [avx2, portable].filter((one) => one !== undefined);
  const all = sets.map((kernels): Kernels => ({ ...kernels, backend: "native" }));
  for (const kernels of all) check(kernels);
  return all as [Kernels, ...Kernels[]];
}

function check(kernels: Kernels): void {
  for (const k of KEEP_COUNTS) {
    const native = exercise(kernels, k);
    if (exercise(referenceKernels, k).every((bytes, i) => bytes.equals(native[i] as Buffer))) continue;
    throw new OuterloopError(
      "native-codec-differs",
      `the addon gives other bytes than the reference at k = ${k}`,
    );
  }
}

/** Runs every kernel on one whole chunk and a short tail, and returns all that came out. */
function exercise(kernels: Kernels, k: KeepCount): Buffer[] {
  const elements = CHUNK + 100;
  const chunks = 2;
  const [beta, alpha] = [Math.fround(0.95), Math.fround(1.3)];
  const delta = Float32Array.from({ length: elements }, (_, i) => ((i * 7919) % 4099) * 1e-6 - 2e-3);
  const error = delta.toReversed();
  const records = new Uint8Array(chunks * recordFormat(k).recordBytes);
  const norms = new Float64Array(chunks);
  const dense = new Float32Array(elements);
  const next = new Float32Array(elements);
  const after = new Float32Array(elements);
  const found = [kernels.compress(delta, error, after, beta, k, records)];
  found.push(kernels.findInvalid(records, k, elements, 1), kernels.findInvalid(records, k, CHUNK + 1, 1));
  kernels.recordNorms(records, k, norms);
  kernels.decode(records, k, dense);
  const sum = dense.slice();
  kernels.addScaled(records, k, -0.5, sum);
  found.push(kernels.aggregate(records, k, Float32Array.of(0.7), alpha, delta, next));
  const halves = Uint16Array.from({ length: elements }, (_, i) => ((i * 7919) % 0x4000) | ((i & 1) << 15));
  const halfNext = new Uint16Array(elements);
  const halfAfter = new Float32Array(elements);
  const halfRecords = records.slice();
  found.push(kernels.compress(halves, error, halfAfter, beta, k, halfRecords));
  found.push(kernels.aggregate(records, k, Float32Array.of(0.7), alpha, halves, halfNext));
  found.push(kernels.crc32c(records.subarray(1), 0x12345678));
  return [
    after,
    records,
    norms,
    dense,
    sum,
    next,
    halfAfter,
    halfRecords,
    halfNext,
    Float64Array.from(found),
  ].map((array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength));
}
