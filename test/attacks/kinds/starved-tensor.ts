import type { Attack } from "../arena/attack.ts";
import { tensorRanges, usualNorm, withSentNorm } from "../arena/vectors.ts";

export const starvedTensor: Attack = {
  name: "starved tensor",
  what: "good work but for one tensor, left next to empty, to have all others scaled down to what is usual there",
  keys: 3,
  submit: async (scene) => {
    const delta = await scene.train();
    const [first] = tensorRanges(scene.view, false);
    if (first !== undefined) for (let i = first.start; i < first.end; i++) delta[i] = 1e-20;
    return { kind: "delta", delta: withSentNorm(scene, delta, usualNorm(scene.honest)) };
  },
};
