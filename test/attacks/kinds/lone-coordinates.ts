import type { Attack } from "../arena/attack.ts";
import { noise, usualNorm, withSentNorm } from "../arena/vectors.ts";

export const loneCoordinates: Attack = {
  name: "lone coordinates",
  what: "sends noise on coordinates that nobody else sends, where nothing would dilute it",
  keys: 2,
  submit: async (scene) => {
    const { draw, honest, view } = scene;
    const lone = noise(draw, view.layout.parameters).map((value, i) =>
      honest.some(({ values }) => values[i] !== 0) ? 0 : value,
    );
    return { kind: "delta", delta: withSentNorm(scene, lone, usualNorm(honest)) };
  },
};
