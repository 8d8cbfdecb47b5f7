import type { Attack } from "../arena/attack.ts";

export const delayedCopy: Attack = {
  name: "delayed copy",
  what: "sends what an honest peer sent in the round before, encoded anew",
  keys: 2,
  submit: async ({ round, history, draw }) => {
    const last = history.get(round - 1);
    const victim = last?.[draw.integer(last.length)];
    return victim === undefined ? { kind: "nothing" } : { kind: "delta", delta: victim.values };
  },
};
