/**
 * A run small enough for tests: the real configuration with a model of a few thousand parameters, two shards.
 *
 * @module
 */
import { f32ToHex, type RunConfig } from "../../schemas/index.ts";
import { quickStartConfig } from "../../workers/local/quick-start.ts";

export interface TinyOptions {
  rounds: number;
  peers: number;
  /** Overrides of the windows, in seconds. */
  windows?: Partial<RunConfig["windows"]>;
}

/** Some 24,000 parameters: four chunks, many raw tensors, two shards. */
export function tinyConfig({ rounds, peers, windows = {} }: TinyOptions): RunConfig {
  const base = quickStartConfig({ rounds, peers, deterministic: true });
  return {
    ...base,
    model: {
      ...base.model,
      width: 32,
      layers: 1,
      heads: 2,
      keyValueHeads: 1,
      feedForward: 48,
      sequenceLength: 16,
    },
    // Hot and short: every honest update helps clearly from the first round on, on any machine.
    inner: {
      ...base.inner,
      steps: 8,
      batchSize: 4,
      learningRate: { kind: "constant", peak: 1e-2, warmupSteps: 2 },
    },
    outer: { ...base.outer, alpha: [{ fromRound: 1, value: f32ToHex(1) }], chunksPerShard: 2 },
    // Four chunks are few: honest updates may look alike by chance and share a slot, which must not empty a round.
    gauntlet: { ...base.gauntlet, minSubmissions: 1 },
    windows: { ...base.windows, ...windows },
    heldOut: { windows: 16, everyRounds: 1 },
  };
}
