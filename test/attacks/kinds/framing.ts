import type { Attack } from "../arena/attack.ts";

export const framing: Attack = {
  name: "framing a group mate",
  what: "two keys train on the data of one victim, so that its own update stands out less there",
  keys: 2,
  submit: async ({ train }) => ({ kind: "delta", delta: await train({ position: 0 }), feedback: true }),
};
