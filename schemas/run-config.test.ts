import { describe, expect, it } from "vitest";
import { f32ToHex } from "./primitives.ts";
import { type RunConfig, runConfig, valueInRound } from "./run-config.ts";

const good: RunConfig = {
  rounds: 20,
  model: {
    vocabulary: 256,
    width: 96,
    layers: 4,
    heads: 4,
    keyValueHeads: 4,
    feedForward: 192,
    sequenceLength: 64,
    ropeBase: 10_000,
    normEpsilon: 1e-5,
    tiedHead: false,
  },
  inner: {
    steps: 15,
    batchSize: 8,
    optimiser: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1 },
    learningRate: { kind: "cosine", peak: 3e-3, warmupSteps: 20, endStep: 300, floor: 1e-4 },
  },
  outer: {
    alpha: [
      { fromRound: 1, value: f32ToHex(2) },
      { fromRound: 10, value: f32ToHex(1) },
    ],
    beta: f32ToHex(0.95),
    keep: [{ fromRound: 1, value: 64 }],
    chunksPerShard: 40,
    downlink: "exact",
  },
  gather: { minPeers: 2, expectedAtStart: 5, maxPeers: 64, announceWindowSeconds: 10 },
  windows: {
    trainSeconds: 30,
    uploadSeconds: 5,
    graceSeconds: 2,
    checkSeconds: 10,
    evaluationSeconds: 20,
    aggregationSeconds: 10,
  },
  gauntlet: {
    minSubmissions: 2,
    maxSelected: 20,
    anchorSequences: 32,
    sequencesPerOwner: 4,
    ownersPerGroup: 8,
    stepFactor: 0.2,
    assignedTest: "matrix",
    judging: {
      budgetSeconds: 10,
      secondsPerUpdate: 0.1,
      secondOpinions: 0.1,
      canaries: 0.1,
      tolerance: 0.05,
      privateSequences: 4,
    },
    guardNats: 1,
    rating: { mu: 25, sigma: 25 / 3, beta: 7, tau: 0.1 },
  },
  heldOut: { windows: 512, everyRounds: 1 },
  stateEveryRounds: 1,
};

/** The good configuration with the value at a path (`gather.minPeers`) replaced. */
function changed(path: string, value: unknown): unknown {
  const copy = structuredClone(good) as unknown as Record<string, unknown>;
  const names = path.split(".");
  let at = copy;
  for (const name of names.slice(0, -1)) at = at[name] as Record<string, unknown>;
  at[names.at(-1) ?? ""] = value;
  return copy;
}

describe("the configuration of a run", () => {
  it("is accepted when it makes sense", () => {
    expect(runConfig.parse(good)).toEqual(good);
  });

  it.each([
    ["no rounds", "rounds", 0],
    ["half a round", "rounds", 1.5],
    ["a head size that is odd", "model.width", 100],
    ["heads that do not divide the width", "model.heads", 5],
    ["key heads that do not divide the heads", "model.keyValueHeads", 3],
    ["no inner steps", "inner.steps", 0],
    ["an AdamW that never forgets", "inner.optimiser.beta1", 1],
    ["an unknown schedule", "inner.learningRate.kind", "linear"],
    ["an alpha written as a decimal", "outer.alpha", [{ fromRound: 1, value: 2 }]],
    ["an alpha from round 2 only", "outer.alpha", [{ fromRound: 2, value: f32ToHex(2) }]],
    ["no alpha", "outer.alpha", []],
    [
      "alphas in no order",
      "outer.alpha",
      [
        { fromRound: 1, value: f32ToHex(1) },
        { fromRound: 1, value: f32ToHex(2) },
      ],
    ],
    ["a k that the codec does not know", "outer.keep", [{ fromRound: 1, value: 65 }]],
    ["shards without chunks", "outer.chunksPerShard", 0],
    ["a downlink that is not built", "outer.downlink", "compressed"],
    ["no peers", "gather.minPeers", 0],
    ["a window that ends before it begins", "windows.trainSeconds", -1],
    ["a window without an end", "windows.trainSeconds", Number.POSITIVE_INFINITY],
    ["no anchor", "gauntlet.anchorSequences", 0],
    ["a trial step above alpha", "gauntlet.stepFactor", 1.1],
    ["a trial step of nothing", "gauntlet.stepFactor", 0],
    ["ratings without doubt", "gauntlet.rating.sigma", 0],
    ["an unknown test", "gauntlet.assignedTest", "none"],
    ["a key nobody knows", "whitelist", []],
  ])("is refused with %s", (_, path, value) => {
    expect(runConfig.safeParse(changed(path, value)).success).toBe(false);
  });

  // It once was so: bits of floats are not looked at, so alpha and beta may be anything; the codec throws
  // `non-finite-result` or worse in every round of such a run.
  it.each([
    ["an alpha that is not a number", "outer.alpha", [{ fromRound: 1, value: "7fc00000" }]],
    ["an endless alpha", "outer.alpha", [{ fromRound: 1, value: "7f800000" }]],
    ["a negative alpha", "outer.alpha", [{ fromRound: 1, value: f32ToHex(-1) }]],
    ["a beta that is not a number", "outer.beta", "7fc00000"],
    ["a beta above 1, with which the error state explodes", "outer.beta", f32ToHex(1.5)],
    ["a negative beta", "outer.beta", f32ToHex(-0.5)],
  ])("is refused with %s", (_, path, value) => {
    expect(runConfig.safeParse(changed(path, value)).success).toBe(false);
  });

  // It once was so: nothing compares the limits with one another.
  it("is refused with fewer peers at most than at least", () => {
    expect(runConfig.safeParse(changed("gather.maxPeers", 1)).success).toBe(false);
  });

  it.each([
    [1, 2],
    [9, 2],
    [10, 1],
    [1_000, 1],
  ])("in round %d alpha is %d", (round, alpha) => {
    expect(valueInRound(good.outer.alpha, round)).toBe(f32ToHex(alpha));
  });

  it("has no values before round 1", () => {
    expect(() => valueInRound(good.outer.alpha, 0)).toThrow(RangeError);
  });
});
