import type { Attack } from "../arena/attack.ts";
import { usualNorm, withSentNorm } from "../arena/vectors.ts";

export const cherryPicking: Attack = {
  name: "cherry-picking rounds",
  what: "a copier that comes only in every third round, in which it hopes to shine",
  keys: 2,
  announces: (round) => round % 3 === 1,
  submit: async (scene) => {
    const { honest, draw } = scene;
    const victim = honest[draw.integer(honest.length)];
    if (victim === undefined) return { kind: "nothing" };
    // A quarter of it is its own noise, so that it is no copy.
    const mixed = victim.values.map((value) => value * (draw.integer(4) === 0 ? 0 : 1));
    return { kind: "delta", delta: withSentNorm(scene, mixed, usualNorm(honest)) };
  },
};
