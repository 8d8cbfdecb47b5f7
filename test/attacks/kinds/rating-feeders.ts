import type { Attack } from "../arena/attack.ts";
import { noise, usualNorm, withSentNorm } from "../arena/vectors.ts";

export const ratingFeeders: Attack = {
  name: "rating feeders",
  what: "five keys lose on purpose, to lift the rating of a sixth that trains one step in fifteen",
  keys: 6,
  submit: async (scene) => {
    const { index, train, draw, honest, view } = scene;
    if (index === 0) return { kind: "delta", delta: await train({ steps: 1 }), feedback: true };
    const delta = withSentNorm(scene, noise(draw, view.layout.parameters), usualNorm(honest));
    return { kind: "delta", delta: delta.map((value, i) => value - 0.5 * (honest[0]?.values[i] ?? 0)) };
  },
};
