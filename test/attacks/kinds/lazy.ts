import type { Attack } from "../arena/attack.ts";

export const lazyZero: Attack = {
  name: "lazy: nothing",
  what: "sends an update of zeros",
  keys: 2,
  submit: async ({ view }) => ({ kind: "delta", delta: new Float32Array(view.layout.parameters) }),
};

export const lazyTiny: Attack = {
  name: "lazy: almost nothing",
  what: "trains one step of fifteen",
  keys: 2,
  submit: async ({ train }) => ({ kind: "delta", delta: await train({ steps: 1 }), feedback: true }),
};
