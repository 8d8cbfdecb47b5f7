import type { Attack } from "../arena/attack.ts";

export const wrongBase: Attack = {
  name: "admitted stale base",
  what: "says in its commit that it trained from other parameters than the agreed ones",
  keys: 2,
  submit: async ({ train }) => ({
    kind: "delta",
    delta: await train(),
    commit: (commit) => ({ ...commit, stateHash: "0".repeat(64) }),
  }),
};
