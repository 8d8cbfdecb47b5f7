/**
 * The inner loop: H AdamW steps on the windows a roster position was assigned.
 *
 * @module
 */
import type { RoundWindows } from "../../functions/coordinator/assignment.ts";
import type { RunConfig } from "../../schemas/index.ts";
import { createTrainer, learningRateAt, type Trainer, windowsAt } from "../model/index.ts";
import type { Tokens } from "../replica/tokens.ts";

/** What the inner loop begins with; none of these arrays is written to. */
export interface TrainingStart {
  parameters: Float32Array;
  m: Float32Array;
  v: Float32Array;
  /** Inner steps this peer has taken in earlier rounds. */
  innerSteps: number;
}

export interface TrainingTask {
  start: TrainingStart;
  round: number;
  /** The configuration that the roster pinned. */
  config: RunConfig;
  /** Place in the roster. */
  position: number;
  windows: RoundWindows;
  onStep: (step: number, of: number, loss: number) => void;
}

/** theta after H steps, with the moments that go with it. */
export interface TrainingResult {
  parameters: Float32Array;
  m: Float32Array;
  v: Float32Array;
  innerSteps: number;
  tokens: number;
  meanLoss: number;
}

/** Anything that trains for one round: the model of this project, or somebody else's trainer. */
export interface InnerLoop {
  train(task: TrainingTask): Promise<TrainingResult>;
  close(): Promise<void>;
}

/**
 * The project's own trainer, on one thread of its own. Model, optimiser and batch size are in its graph, so those of
 * the genesis count; steps and learning rate may change with the configuration of a round.
 */
export async function createInnerLoop(genesis: RunConfig, tokens: Tokens): Promise<InnerLoop> {
  const { model } = genesis;
  const { optimiser, batchSize } = genesis.inner;
  const trainer: Trainer = await createTrainer(model, optimiser, { batchSize });
  return {
    async train({ start, config: { inner }, position, windows, onStep }) {
      const assigned = windows.assigned(position);
      await trainer.load({ parameters: start.parameters, m: start.m, v: start.v });
      let total = 0;
      for (let step = 0; step < inner.steps; step++) {
        const numbers = assigned.slice(step * batchSize, (step + 1) * batchSize);
        const batch = windowsAt(tokens, numbers.map(windows.firstToken), model.sequenceLength);
        const taken = start.innerSteps + step;
        const { loss } = await trainer.step(batch, learningRateAt(inner.learningRate, taken), taken + 1);
        total += loss;
        onStep(step + 1, inner.steps, loss);
      }
      const { parameters, m, v } = await trainer.read();
      return {
        parameters,
        m,
        v,
        innerSteps: start.innerSteps + inner.steps,
        tokens: inner.steps * batchSize * model.sequenceLength,
        meanLoss: total / inner.steps,
      };
    },
    close: () => trainer.close(),
  };
}
