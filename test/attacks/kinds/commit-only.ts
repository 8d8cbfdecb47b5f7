import type { Attack } from "../arena/attack.ts";

export const commitOnly: Attack = {
  name: "commit without upload x1000",
  what: "forty keys commit in every round, about a thousand times in all, and never upload",
  keys: 40,
  submit: async () => ({ kind: "commit-only" }),
};
