import type { Attack } from "../arena/attack.ts";
import { mean, usualNorm, withSentNorm } from "../arena/vectors.ts";

export const blend: Attack = {
  name: "blend of three victims",
  what: "sends the mean of three honest updates of the same round",
  keys: 1,
  submit: async (scene) => {
    const { honest, draw } = scene;
    const victims = draw.shuffled(honest).slice(0, 3);
    const delta = withSentNorm(scene, mean(victims.map(({ values }) => values)), usualNorm(honest));
    return { kind: "delta", delta };
  },
};
