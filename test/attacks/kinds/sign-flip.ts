import type { Attack } from "../arena/attack.ts";

export const signFlip: Attack = {
  name: "sign flip",
  what: "trains honestly and sends the opposite",
  keys: 2,
  submit: async ({ train }) => ({
    kind: "delta",
    delta: (await train()).map((value) => -value),
    feedback: true,
  }),
};
