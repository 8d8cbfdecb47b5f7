import type { Attack } from "../arena/attack.ts";
import { noise, usualNorm, withSentNorm } from "../arena/vectors.ts";

export const junkKeys: Attack = {
  name: "60 % junk keys",
  what: "nine keys beside six honest ones send noise of the usual norm",
  keys: 9,
  submit: async (scene) => {
    const { draw, honest, view } = scene;
    return {
      kind: "delta",
      delta: withSentNorm(scene, noise(draw, view.layout.parameters), usualNorm(honest)),
    };
  },
};
