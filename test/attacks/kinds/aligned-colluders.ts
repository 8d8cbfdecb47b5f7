import type { Attack } from "../arena/attack.ts";
import { mean, usualNorm, withSentNorm } from "../arena/vectors.ts";

export const alignedColluders: Attack = {
  name: "aligned colluders",
  what: "ten keys push in the direction that helps most, each good alone, all together far too much",
  keys: 10,
  submit: async (scene) => {
    const { honest, draw } = scene;
    const direction = mean(honest.map(({ values }) => values));
    const own = direction.map((value) => (draw.integer(3) === 0 ? 0 : value));
    return { kind: "delta", delta: withSentNorm(scene, own, 9 * usualNorm(honest)) };
  },
};
