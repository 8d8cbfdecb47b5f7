import type { Attack } from "../arena/attack.ts";
import { scaled } from "../arena/vectors.ts";

export const normBlowUp: Attack = {
  name: "norm blow-up",
  what: "sends the opposite of honest training a hundred times too large",
  keys: 2,
  submit: async ({ train }) => ({ kind: "delta", delta: scaled(await train(), -100) }),
};
