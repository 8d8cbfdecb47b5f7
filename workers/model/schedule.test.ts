import { describe, expect, it } from "vitest";
import type { LearningRateSchedule } from "../../schemas/model.ts";
import { biasCorrections, learningRateAt } from "./schedule.ts";
import { optimiser } from "./testing/fixtures.ts";

const constant: LearningRateSchedule = { kind: "constant", peak: 0.4, warmupSteps: 4 };
const cosine: LearningRateSchedule = { kind: "cosine", peak: 1, warmupSteps: 2, endStep: 10, floor: 0.2 };

describe("the learning rate", () => {
  it.each([
    [0, 0.1],
    [1, 0.2],
    [3, 0.4],
    [4, 0.4],
    [1_000_000, 0.4],
  ])("of a constant schedule at step %i is %f", (step, rate) => {
    expect(learningRateAt(constant, step)).toBeCloseTo(rate, 12);
  });

  it.each([
    [0, 0.5],
    [1, 1],
    [2, 1],
    [4, 0.2 + 0.4 * (1 + Math.SQRT1_2)],
    [6, 0.6],
    [10, 0.2],
    [99, 0.2],
  ])("of a cosine schedule at step %i is %f", (step, rate) => {
    expect(learningRateAt(cosine, step)).toBeCloseTo(rate, 12);
  });

  it("is at its peak from the first step without warm-up", () => {
    expect(learningRateAt({ ...constant, warmupSteps: 0 }, 0)).toBe(0.4);
  });

  it("of a cosine that ends within the warm-up goes straight to the floor", () => {
    expect(learningRateAt({ ...cosine, warmupSteps: 20 }, 20)).toBe(0.2);
  });
});

describe("bias corrections", () => {
  it("undo the zero start of the moments", () => {
    expect(biasCorrections(optimiser, 1).first).toBeCloseTo(10, 9);
    expect(biasCorrections(optimiser, 1).second).toBeCloseTo(20, 9);
    expect(biasCorrections(optimiser, 10_000)).toEqual({ first: 1, second: 1 });
  });

  it.each([0, -1, 1.5, Number.NaN])("refuse step %f", (step) => {
    expect(() => biasCorrections(optimiser, step)).toThrowError(
      expect.objectContaining({ code: "step-number" }),
    );
  });
});
