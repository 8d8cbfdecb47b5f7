/**
 * Model library: the parameters of a Llama, a trainer and a loss model on onnxruntime.
 *
 * @module
 */
export type { Batch } from "./batch.ts";
export { initialParameters } from "./initial-parameters.ts";
export { createLossModel, type LossModel, type LossModelOptions } from "./loss-model.ts";
export { namedViews, type PlacedTensor, parameterCount, placedTensors } from "./parameters.ts";
export { learningRateAt } from "./schedule.ts";
export { windowsAt } from "./tokens.ts";
export {
  createTrainer,
  type StepReport,
  type Trainer,
  type TrainerOptions,
  type TrainerState,
} from "./trainer.ts";
