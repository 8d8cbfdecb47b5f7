import type { Attack } from "../arena/attack.ts";
import { noise, usualNorm, withSentNorm } from "../arena/vectors.ts";

export const tinyNorms: Attack = {
  name: "tiny norms by a majority",
  what: "more keys than there are honest ones send noise of a sixteenth of the usual norm, to have all others clipped to it",
  keys: 8,
  submit: async (scene) => {
    const { draw, honest, view } = scene;
    const delta = withSentNorm(scene, noise(draw, view.layout.parameters), usualNorm(honest) / 16);
    return { kind: "delta", delta };
  },
};
