/**
 * Training a model in a thread of its own.
 *
 * @module
 */
import { OuterloopError } from "../../schemas/errors.ts";
import type { AdamwSettings, ModelSpec } from "../../schemas/model.ts";
import { type Batch, checkBatch } from "./batch.ts";
import { EngineClient } from "./engine-client.ts";
import { checkLength } from "./parameters.ts";
import type { StepReport, TrainerState } from "./training-engine.ts";

export type { StepReport, TrainerState } from "./training-engine.ts";

/** One model with its AdamW state, owned by a worker thread. Calls run in the order in which they are made. */
export interface Trainer {
  /** Replaces parameters and moments; copies the vectors, the caller keeps them. */
  load(state: TrainerState): Promise<void>;
  /**
   * One inner step on a batch of exactly `batchSize` sequences. `step` counts this peer's own updates from 1
   * for the bias correction. A diverged model shows as a loss or norm that is not finite.
   */
  step(batch: Batch, learningRate: number, step: number): Promise<StepReport>;
  /** Copies of parameters and moments. */
  read(): Promise<TrainerState>;
  /** Ends the thread after the calls in progress. */
  close(): Promise<void>;
}

export interface TrainerOptions {
  /** Sequences per step. */
  batchSize: number;
  /** Threads that share one operator; 1 unless given. The result does not depend on it. */
  threads?: number;
}

/** Starts the thread and opens the training graph; parameters and moments are zero until `load`. */
export async function createTrainer(
  spec: ModelSpec,
  optimiser: AdamwSettings,
  { batchSize, threads = 1 }: TrainerOptions,
): Promise<Trainer> {
  const engine = await EngineClient.start({ kind: "train", spec, optimiser, batchSize, threads });
  return {
    async load(state) {
      checkLength(spec, state.parameters, "parameters");
      checkLength(spec, state.m, "first moments");
      checkLength(spec, state.v, "second moments");
      const [parameters, m, v] = [state.parameters.slice(), state.m.slice(), state.v.slice()];
      await engine.call("load", { parameters, m, v }, [parameters.buffer, m.buffer, v.buffer]);
    },
    async step(batch, learningRate, step) {
      const checked = checkBatch(spec, batch);
      if (checked.sequences !== batchSize) {
        throw new OuterloopError(
          "batch-size",
          `expected a batch of ${batchSize} sequences, got ${checked.sequences}; the training graph has a static shape`,
          { expected: batchSize, actual: checked.sequences },
        );
      }
      const { inputs, targets, mask } = checked;
      const options = { learningRate, step };
      return engine.call("step", { batch: checked, options }, [inputs.buffer, targets.buffer, mask.buffer]);
    },
    read: () => engine.call("read", null),
    close: () => engine.close(),
  };
}
