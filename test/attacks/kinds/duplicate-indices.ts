import type { Attack } from "../arena/attack.ts";

/** EF84 numbers the kept indices of a chunk by bits, so an index cannot stand twice: such bytes are other indices, or none. */
export const duplicateIndices: Attack = {
  name: "duplicate indices",
  what: "writes one record over all the others of its shard: the same indices and values again and again",
  keys: 1,
  submit: async ({ honest }) => {
    const RECORD_BYTES = 84;
    const shards = (honest[0]?.shards ?? []).map((bytes) => {
      const copy = bytes.slice();
      const from = copy.length - RECORD_BYTES;
      for (let at = from - RECORD_BYTES; at > 1_024; at -= RECORD_BYTES) copy.copyWithin(at, from);
      return copy;
    });
    return { kind: "shards", shards };
  },
};
