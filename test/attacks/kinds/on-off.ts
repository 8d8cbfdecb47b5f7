import type { Attack } from "../arena/attack.ts";

/** Established after ten judged rounds; from then on every third round finds evaluators slow, and the key turns. */
const isBad = (round: number) => round > 12 && round % 3 === 0;

export const onOff: Attack = {
  name: "on-off defection with slow evaluators",
  what: "builds a good record, then sends the opposite of training whenever nobody has time to judge",
  keys: 2,
  // In two groups, so that the others are judged while it is not.
  config: (config) => ({ ...config, gauntlet: { ...config.gauntlet, ownersPerGroup: 4 } }),
  slowEvaluators: isBad,
  submit: async ({ round, train }) => {
    const delta = await train();
    return {
      kind: "delta",
      delta: isBad(round) ? delta.map((value) => -value) : delta,
      feedback: !isBad(round),
    };
  },
};
