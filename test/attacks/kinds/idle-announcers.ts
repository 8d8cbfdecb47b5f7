import type { Attack } from "../arena/attack.ts";

export const idleAnnouncers: Attack = {
  name: "idle announcers",
  what: "two hundred keys announce every round and never commit; from the second round on, where the roster has 32 places",
  keys: 200,
  announces: (round) => round > 1,
  config: (config) => ({ ...config, gather: { ...config.gather, maxPeers: 32 } }),
};
