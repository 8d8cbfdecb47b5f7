import type { Attack } from "../arena/attack.ts";

export const hugeObject: Attack = {
  name: "huge object",
  what: "commits to objects of many times the right size",
  keys: 2,
  submit: async ({ honest }) => ({
    kind: "shards",
    shards: (honest[0]?.shards ?? []).map((bytes) => {
      const huge = new Uint8Array(40 * bytes.length);
      huge.set(bytes);
      return huge;
    }),
  }),
};
