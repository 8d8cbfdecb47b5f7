import type { Attack } from "../arena/attack.ts";
import { mean, usualNorm, withSentNorm } from "../arena/vectors.ts";

export const clique: Attack = {
  name: "clique",
  what: "three keys train a third of the steps each and send the sum of all three",
  keys: 3,
  submit: async (scene) => {
    const { round, index, keys, memory, train, position, honest } = scene;
    const name = `sum ${round}`;
    const first = position - index;
    if (!memory.has(name)) {
      const shares = [];
      for (let i = 0; i < keys.length; i++) shares.push(await train({ position: first + i, steps: 5 }));
      memory.set(name, mean(shares));
    }
    const delta = memory.get(name) as Float32Array;
    // Not to be taken for copies, each leaves something else out.
    const own = delta.map((value, i) => (i % keys.length === index ? 0 : value));
    return { kind: "delta", delta: withSentNorm(scene, own, usualNorm(honest)) };
  },
};
