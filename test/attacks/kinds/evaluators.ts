import { packLosses, unpackLosses } from "../../../functions/coordinator/gauntlet/losses.ts";
import type { Attack } from "../arena/attack.ts";
import { signFlip } from "./sign-flip.ts";

const harm = signFlip.submit;

export const colludingEvaluator: Attack = {
  name: "colluding evaluator",
  what: "one evaluator of three says of its friend, who sends harm, that it helps most of all",
  keys: 1,
  evaluators: 1,
  ...(harm === undefined ? {} : { submit: harm }),
  report: (truth, { keys }) => {
    const better = packLosses(unpackLosses(truth.base).map((loss) => loss - 0.5));
    const losses = truth.losses.map((one) => (keys.includes(one.peer) ? { ...one, losses: better } : one));
    return { ...truth, losses };
  },
};

export const copyingEvaluator: Attack = {
  name: "copying evaluator",
  what: "one evaluator of three computes nothing and signs what another one found",
  keys: 0,
  evaluators: 1,
  report: (truth, { earlier }) => {
    const other = earlier.find(({ evaluator }) => evaluator !== truth.evaluator);
    if (other === undefined) return null;
    // What it was to draw for itself it cannot have.
    const reshaped = (losses: string) =>
      losses.slice(0, truth.base.length).padEnd(truth.base.length, losses.slice(0, 8));
    return {
      ...truth,
      base: reshaped(other.base),
      losses: truth.losses.map((one, i) => ({ ...one, losses: reshaped(other.losses[i]?.losses ?? "") })),
      canary: truth.canary === null ? null : reshaped(other.canary ?? other.base),
    };
  },
};

export const constantEvaluator: Attack = {
  name: "constant evaluator",
  what: "one evaluator of three answers the same figure for everything",
  keys: 0,
  evaluators: 1,
  report: (truth) => {
    const same = packLosses(unpackLosses(truth.base).map(() => 5));
    return {
      ...truth,
      base: same,
      losses: truth.losses.map((one) => ({ ...one, losses: same })),
      canary: truth.canary === null ? null : same,
    };
  },
};

export const silentEvaluator: Attack = {
  name: "evaluator that never answers",
  what: "one evaluator of three takes jobs and says nothing",
  keys: 0,
  evaluators: 1,
  report: () => null,
};
