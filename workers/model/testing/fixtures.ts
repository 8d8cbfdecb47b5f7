/**
 * Small models and reproducible data for the tests of this folder.
 *
 * @module
 */
import type { AdamwSettings, ModelSpec } from "../../../schemas/model.ts";
import type { Batch } from "../batch.ts";

/** The quick-start model: 418,656 parameters. */
export const quickStartSpec: ModelSpec = {
  vocabulary: 256,
  width: 96,
  layers: 4,
  heads: 4,
  keyValueHeads: 4,
  feedForward: 192,
  sequenceLength: 64,
  ropeBase: 10_000,
  normEpsilon: 1e-5,
  tiedHead: false,
};

/** A model of a few hundred parameters, for checks that touch each of them. */
export const tinySpec: ModelSpec = {
  vocabulary: 11,
  width: 8,
  layers: 2,
  heads: 4,
  keyValueHeads: 4,
  feedForward: 6,
  sequenceLength: 5,
  ropeBase: 100,
  normEpsilon: 1e-5,
  tiedHead: false,
};

/** {@link tinySpec} in the four combinations of attention and head. */
export const tinySpecs: readonly [string, ModelSpec][] = [
  ["multi-head attention, untied head", tinySpec],
  ["multi-head attention, tied head", { ...tinySpec, tiedHead: true }],
  ["grouped-query attention, untied head", { ...tinySpec, keyValueHeads: 2 }],
  ["multi-query attention, tied head", { ...tinySpec, keyValueHeads: 1, tiedHead: true }],
];

export const optimiser: AdamwSettings = {
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  weightDecay: 0.1,
  clipNorm: 1,
};

/** A seed whose bytes are all `byte`. */
export function seedOf(byte: number): Uint8Array {
  return new Uint8Array(32).fill(byte);
}

/** Reproducible numbers, uniform on [-1, 1) (mulberry32). */
export function uniformSource(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 31 - 1;
  };
}

/** `length` reproducible numbers on [-1, 1). */
export function uniform(length: number, seed: number): Float64Array {
  return Float64Array.from({ length }, uniformSource(seed));
}

/** Reproducible tokens, `sequences` of them by the model's length; every third prediction masked if asked. */
export function randomBatch(
  spec: ModelSpec,
  sequences: number,
  seed: number,
  masked = false,
): Required<Batch> {
  const next = uniformSource(seed);
  const tokens = () =>
    Int32Array.from({ length: sequences * spec.sequenceLength }, () =>
      Math.floor(((next() + 1) / 2) * spec.vocabulary),
    );
  const mask = (_: unknown, index: number) => (masked && index % 3 === 0 ? 0 : 1);
  return {
    inputs: tokens(),
    targets: tokens(),
    mask: Float32Array.from({ length: sequences * spec.sequenceLength }, mask),
  };
}

/** Size of the difference over the size of the expected vector (Euclidean norms). */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += ((actual[i] ?? Number.NaN) - (expected[i] ?? 0)) ** 2;
    size += (expected[i] ?? 0) ** 2;
  }
  return Math.sqrt(difference / (size + 1e-30));
}
