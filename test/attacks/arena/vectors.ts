/**
 * Vectors of the length of the model, as attackers mix them.
 *
 * @module
 */
import type { Draw } from "../../../functions/coordinator/draws.ts";
import type { RunView } from "../../../workers/replica/run-view.ts";
import type { Scene } from "./attack.ts";

export function norm(vector: Float32Array): number {
  let sum = 0;
  for (const value of vector) sum += value * value;
  return Math.sqrt(sum);
}

export const scaled = (vector: Float32Array, factor: number) => vector.map((value) => factor * value);

/** The same direction with another norm. */
export function withNorm(vector: Float32Array, wanted: number): Float32Array {
  const now = norm(vector);
  return now === 0 ? vector : scaled(vector, wanted / now);
}

export function mean(vectors: readonly Float32Array[]): Float32Array {
  const [first] = vectors;
  if (first === undefined) throw new Error("the mean of nothing");
  return first.map((_, i) => vectors.reduce((sum, one) => sum + (one[i] ?? 0), 0) / vectors.length);
}

/** Values between -1 and 1 everywhere. */
export function noise(draw: Draw, length: number): Float32Array {
  return Float32Array.from({ length }, () => draw.integer(2_000_001) / 1_000_000 - 1);
}

/** The usual norm of an honest update of the round. */
export function usualNorm(honest: readonly { values: Float32Array }[]): number {
  const norms = honest.map(({ values }) => norm(values)).sort((a, b) => a - b);
  return norms[Math.floor(norms.length / 2)] ?? 1;
}

/** Element ranges of the tensors that travel raw, or of those that are cut into chunks. */
export function tensorRanges({ layout }: RunView, raw: boolean): { start: number; end: number }[] {
  return layout.shards.flatMap(({ parts }) =>
    parts
      .filter((part) => part.raw === raw)
      .map(({ first, elements }) => ({ start: first, end: first + elements })),
  );
}

/** Scaled such that what is left of it after compression has this norm. */
export function withSentNorm(
  { view, roster }: Pick<Scene, "view" | "roster">,
  delta: Float32Array,
  wanted: number,
) {
  const { layout, codec } = view;
  const { round, keep } = roster;
  const [nothing, sent] = [new Float32Array(delta.length), new Float32Array(delta.length)];
  const shards = codec.compressUpdate(layout, delta, nothing, sent, { round, k: keep, beta: 0 });
  sent.fill(0);
  for (const [shard, bytes] of shards.entries())
    codec.addScaled(codec.parseShard(bytes, { layout, shard, round, k: keep }), 1, sent);
  return scaled(delta, wanted / norm(sent));
}
