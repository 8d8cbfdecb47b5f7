import type { Attack } from "../arena/attack.ts";

export const staleBase: Attack = {
  name: "stale base",
  what: "sends again what it trained one round earlier, from parameters that are gone, and claims the agreed ones",
  keys: 2,
  submit: async ({ round, memory, index, train }) => {
    const name = (at: number) => `trained ${index} ${at}`;
    memory.set(name(round), await train());
    const delta = memory.get(name(round - 1)) as Float32Array | undefined;
    return delta === undefined ? { kind: "nothing" } : { kind: "delta", delta };
  },
};
