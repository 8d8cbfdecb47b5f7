/**
 * The two things about a step that depend on its number: learning rate and bias correction.
 *
 * @module
 */
import { OuterloopError } from "../../schemas/errors.ts";
import type { AdamwSettings, LearningRateSchedule } from "../../schemas/model.ts";

/**
 * Learning rate of inner step `step`, counted from 0 over the whole run: rises linearly to `peak` in
 * `warmupSteps` steps, then stays, or falls along half a cosine to `floor` at `endStep`.
 */
export function learningRateAt(schedule: LearningRateSchedule, step: number): number {
  const { peak, warmupSteps } = schedule;
  if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
  if (schedule.kind === "constant") return peak;
  const { endStep, floor } = schedule;
  if (step >= endStep) return floor;
  const progress = (step - warmupSteps) / (endStep - warmupSteps);
  return floor + ((peak - floor) * (1 + Math.cos(Math.PI * progress))) / 2;
}

/** 1 / (1 - beta^step) for both moments; `step` counts the updates of this optimiser state, from 1. */
export function biasCorrections(settings: AdamwSettings, step: number): { first: number; second: number } {
  if (!Number.isInteger(step) || step < 1) {
    throw new OuterloopError("step-number", `steps count from 1 for the bias correction, got ${step}`, {
      step,
    });
  }
  return { first: 1 / (1 - settings.beta1 ** step), second: 1 / (1 - settings.beta2 ** step) };
}
