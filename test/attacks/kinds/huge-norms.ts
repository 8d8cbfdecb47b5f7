import type { Attack } from "../arena/attack.ts";
import { noise, usualNorm, withSentNorm } from "../arena/vectors.ts";

export const hugeNorms: Attack = {
  name: "huge norms by a majority",
  what: "more keys than there are honest ones send noise of nine times the usual norm, to raise what is usual",
  keys: 8,
  submit: async (scene) => {
    const { draw, honest, view } = scene;
    const delta = withSentNorm(scene, noise(draw, view.layout.parameters), 9 * usualNorm(honest));
    return { kind: "delta", delta };
  },
};
