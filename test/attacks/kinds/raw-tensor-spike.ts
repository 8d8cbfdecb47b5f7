import type { Attack } from "../arena/attack.ts";
import { tensorRanges } from "../arena/vectors.ts";

export const rawTensorSpike: Attack = {
  name: "raw-tensor spike",
  what: "trains honestly and puts a huge value into a tensor that travels uncompressed",
  keys: 1,
  submit: async ({ train, view }) => {
    const delta = await train();
    for (const { start } of tensorRanges(view, true)) delta[start] = 1e30;
    return { kind: "delta", delta };
  },
};
