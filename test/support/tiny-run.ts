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
    inner: { ...base.inner, steps: 4, batchSize: 4 },
    outer: { ...base.outer, alpha: [{ fromRound: 1, value: f32ToHex(1) }], chunksPerShard: 2 },
    windows: { ...base.windows, ...windows },
    heldOut: { windows: 16, everyRounds: 1 },
  };
}
