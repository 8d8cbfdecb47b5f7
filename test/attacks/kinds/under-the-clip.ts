import type { Attack } from "../arena/attack.ts";
import { tensorRanges, usualNorm, withSentNorm } from "../arena/vectors.ts";

export const underTheClip: Attack = {
  name: "just under the clip",
  what: "sends harm with exactly the norm that is not clipped, and just less than four times the usual in one tensor",
  keys: 2,
  submit: async (scene) => {
    const { train, honest, view } = scene;
    const delta = (await train()).map((value) => -value);
    const [one] = tensorRanges(view, false);
    const bent = delta.map((value, i) =>
      one !== undefined && i >= one.start && i < one.end ? 3.9 * value : value,
    );
    return { kind: "delta", delta: withSentNorm(scene, bent, 0.999 * usualNorm(honest)) };
  },
};
