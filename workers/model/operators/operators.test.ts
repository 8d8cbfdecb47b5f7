import { describe, expect, it } from "vitest";
import { gradientErrors, type OperatorCase } from "../testing/gradient-check.ts";
import { mergeHeads, residual, splitHeads } from "./arrange.ts";
import { attention } from "./attention.ts";
import { crossEntropy } from "./cross-entropy.ts";
import { embedding } from "./embedding.ts";
import * as emit from "./emit.ts";
import { linear } from "./linear.ts";
import { rmsNorm } from "./rms-norm.ts";
import { rotary } from "./rotary.ts";
import { swiglu } from "./swiglu.ts";

/** Applies a case whose inputs are exactly as many as its shapes. */
const at = <T>(values: readonly T[], index: number): T => {
  const value = values[index];
  if (value === undefined) throw new Error(`the case has no input ${index}`);
  return value;
};

const tokens = { name: "tokens", shape: [6], data: Int32Array.of(2, 0, 2, 4, 2, 0) };
const targets = { name: "targets", shape: [6], data: Int32Array.of(0, 1, 2, 3, 4, 1) };
const mask = { name: "mask", shape: [2, 3], data: Float64Array.of(1, 0, 1, 1, 1, 0) };

const cases: Record<string, OperatorCase> = {
  residual: {
    shapes: [
      [3, 4],
      [3, 4],
    ],
    apply: (graph, x) => residual(graph, at(x, 0), at(x, 1)),
  },
  "residual of a value with itself": {
    shapes: [[3, 4]],
    apply: (graph, x) => residual(graph, at(x, 0), at(x, 0)),
  },
  splitHeads: {
    shapes: [[6, 8]],
    apply: (graph, x) => splitHeads(graph, at(x, 0), { batch: 2, length: 3, heads: 4, size: 2 }),
  },
  mergeHeads: { shapes: [[2, 4, 3, 2]], apply: (graph, x) => mergeHeads(graph, at(x, 0)) },
  linear: {
    shapes: [
      [5, 4],
      [3, 4],
    ],
    apply: (graph, x) => linear(graph, at(x, 0), at(x, 1)),
  },
  "embedding, with repeated tokens": {
    shapes: [[5, 3]],
    data: [tokens],
    apply: (graph, x) => embedding(graph, at(x, 0), graph.input("tokens", [6], "int32")),
  },
  rmsNorm: { shapes: [[4, 6], [6]], apply: (graph, x) => rmsNorm(graph, at(x, 0), at(x, 1), 1e-3) },
  rotary: { shapes: [[2, 3, 5, 4]], apply: (graph, x) => rotary(graph, at(x, 0), 50) },
  "attention, a key for every query head": {
    shapes: [
      [2, 4, 5, 2],
      [2, 4, 5, 2],
      [2, 4, 5, 2],
    ],
    apply: (graph, x) => attention(graph, at(x, 0), at(x, 1), at(x, 2)),
  },
  "attention, two query heads to a key": {
    shapes: [
      [2, 4, 5, 2],
      [2, 2, 5, 2],
      [2, 2, 5, 2],
    ],
    apply: (graph, x) => attention(graph, at(x, 0), at(x, 1), at(x, 2)),
  },
  swiglu: {
    shapes: [
      [4, 5],
      [4, 5],
    ],
    apply: (graph, x) => swiglu(graph, at(x, 0), at(x, 1)),
  },
  "crossEntropy, with a mask": {
    shapes: [[6, 5]],
    data: [targets, mask],
    apply: (graph, x) =>
      crossEntropy(graph, at(x, 0), graph.input("targets", [6], "int32"), graph.input("mask", [2, 3])).mean,
  },
};

describe("gradients of the operators agree with finite differences", () => {
  it.each(Object.entries(cases))("%s", async (_, operatorCase) => {
    for (const error of await gradientErrors(operatorCase)) expect(error).toBeLessThan(1e-7);
  });
});

it("the gradient check notices a wrong gradient", async () => {
  const doubled: OperatorCase = {
    shapes: [[3]],
    apply: (graph, x) =>
      graph.differentiable(emit.multiply(graph, at(x, 0), at(x, 0)), [at(x, 0)], (dy) => [
        emit.multiply(graph, dy, at(x, 0)), // the factor 2 is missing
      ]),
  };
  expect(await gradientErrors(doubled)).toEqual([expect.closeTo(0.5)]);
});
