import type { Attack } from "../arena/attack.ts";

export const othersData: Attack = {
  name: "training others' data",
  what: "trains diligently, but on what another peer is assigned",
  keys: 2,
  submit: async ({ train, draw, honest }) => ({
    kind: "delta",
    delta: await train({ position: honest[draw.integer(honest.length)]?.position ?? 0 }),
    feedback: true,
  }),
};
