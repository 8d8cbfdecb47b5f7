import type { Attack } from "../arena/attack.ts";

export const copy: Attack = {
  name: "copy",
  what: "sends the very bytes of an honest peer, another victim each round",
  keys: 2,
  submit: async ({ honest, draw }) => ({
    kind: "shards",
    shards: [...(honest[draw.integer(honest.length)]?.shards ?? [])],
  }),
};
