import type { Attack } from "../arena/attack.ts";
import { usualNorm, withSentNorm } from "../arena/vectors.ts";

/** Each key lives for so many rounds. */
const LIFE = 5;

export const keyRecycling: Attack = {
  name: "key recycling",
  what: "sends slightly changed copies, and a fresh key takes over every five rounds, before the last one is found out",
  keys: 5,
  announces: (round, index) => Math.floor((round - 1) / LIFE) === index,
  submit: async (scene) => {
    const { honest, draw } = scene;
    const victim = honest[draw.integer(honest.length)];
    if (victim === undefined) return { kind: "nothing" };
    const changed = victim.values.map((value) => (draw.integer(2) === 0 ? 0 : value));
    return { kind: "delta", delta: withSentNorm(scene, changed, usualNorm(honest)) };
  },
};
