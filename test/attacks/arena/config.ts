/**
 * The run that attacks are tried on: a Llama of a hundred thousand parameters on one book, small enough that a whole run
 * with every part of the system in it takes seconds.
 *
 * @module
 */
import { f32ToHex, type RunConfig } from "../../../schemas/index.ts";

export const HONEST_PEERS = 6;
export const ROUNDS = 24;

export const arenaConfig: RunConfig = {
  rounds: ROUNDS,
  model: {
    vocabulary: 256,
    width: 64,
    layers: 2,
    heads: 4,
    keyValueHeads: 4,
    feedForward: 128,
    sequenceLength: 64,
    ropeBase: 10_000,
    normEpsilon: 1e-5,
    tiedHead: false,
  },
  inner: {
    steps: 15,
    batchSize: 8,
    optimiser: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1 },
    learningRate: { kind: "constant", peak: 3e-3, warmupSteps: 20 },
  },
  outer: {
    alpha: [{ fromRound: 1, value: f32ToHex(1.5) }],
    beta: f32ToHex(0.95),
    keep: [{ fromRound: 1, value: 64 }],
    chunksPerShard: 16,
    downlink: "exact",
  },
  gather: { minPeers: 2, expectedAtStart: HONEST_PEERS, maxPeers: 64, announceWindowSeconds: 10 },
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
    anchorSequences: 64,
    sequencesPerOwner: 32,
    ownersPerGroup: 8,
    stepFactor: 0.2,
    assignedTest: "matrix",
    judging: {
      budgetSeconds: 1_000,
      secondsPerUpdate: 1,
      secondOpinions: 0.1,
      canaries: 0.1,
      tolerance: 0.05,
      privateSequences: 4,
    },
    guardNats: 1,
    rating: { mu: 25, sigma: 25 / 3, beta: 7, tau: 0.1 },
  },
  heldOut: { windows: 256, everyRounds: 1 },
  stateEveryRounds: 1,
};
