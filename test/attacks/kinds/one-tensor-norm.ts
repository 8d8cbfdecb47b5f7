import type { Attack } from "../arena/attack.ts";
import { tensorRanges, usualNorm, withSentNorm } from "../arena/vectors.ts";

export const oneTensorNorm: Attack = {
  name: "one-tensor norm",
  what: "puts the whole usual norm, reversed, into one tensor",
  keys: 2,
  submit: async (scene) => {
    const delta = await scene.train();
    const [only] = tensorRanges(scene.view, false).slice(-1);
    const inside = delta.map((value, i) =>
      only !== undefined && i >= only.start && i < only.end ? -value : 0,
    );
    return { kind: "delta", delta: withSentNorm(scene, inside, usualNorm(scene.honest)) };
  },
};
