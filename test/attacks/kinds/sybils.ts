import type { Attack } from "../arena/attack.ts";

import { usualNorm, withSentNorm } from "../arena/vectors.ts";

/** One GPU trains for one peer; its work is cut into as many slices as there are keys. */
const sybils = (keys: number): Attack => ({
  name: `sybils 1 -> ${keys}`,
  what: `one GPU's training, cut into slices of coordinates, sent under ${keys} keys`,
  keys,
  submit: async (scene) => {
    const { round, index, memory, train, position, honest } = scene;
    const name = `work ${round}`;
    if (!memory.has(name)) memory.set(name, await train({ position }));
    const work = memory.get(name) as Float32Array;
    const slice = work.map((value, i) => (i % keys === index ? value : 0));
    return { kind: "delta", delta: withSentNorm(scene, slice, usualNorm(honest)) };
  },
});

export const fiveSybils = sybils(5);
export const twentySybils = sybils(20);
