import type { Attack } from "../arena/attack.ts";

export const malformedRecords: Attack = {
  name: "malformed records",
  what: "sends objects of the right size in which records and tables are overwritten",
  keys: 2,
  submit: async ({ honest, draw }) => {
    const shards = (honest[0]?.shards ?? []).map((bytes) => {
      const broken = bytes.slice();
      for (let i = 0; i < 64; i++) broken[draw.integer(broken.length)] = draw.integer(256);
      return broken;
    });
    return { kind: "shards", shards };
  },
};
