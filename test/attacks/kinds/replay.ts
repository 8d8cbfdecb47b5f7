import type { Attack } from "../arena/attack.ts";

export const replay: Attack = {
  name: "replay of an older round",
  what: "uploads the very objects that an honest peer uploaded in the round before",
  keys: 2,
  submit: async ({ round, history }) => {
    const last = history.get(round - 1)?.[0];
    return last === undefined ? { kind: "nothing" } : { kind: "shards", shards: [...last.shards] };
  },
};
