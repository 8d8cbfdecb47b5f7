/**
 * Checks vector-Jacobian products against central finite differences, in float64.
 *
 * @module
 */

import { GraphBuilder, type Value } from "../graph.ts";
import { type Binding, openSession } from "../onnx-runtime.ts";
import * as emit from "../operators/emit.ts";
import { relativeError, uniform } from "./fixtures.ts";

/** An operator under test: the inputs to differentiate by, and how it is applied. */
export interface OperatorCase {
  /** Shape of each differentiable input; all are drawn from [-1, 1). */
  shapes: readonly (readonly number[])[];
  apply(graph: GraphBuilder, inputs: readonly Value[]): Value;
  /** Further inputs, not differentiated, by name. */
  data?: readonly Binding[];
}

const halfStep = 1e-5;

/**
 * Relative error of the gradient by each input. The operator's output y becomes a scalar as sum(c * y) with
 * random c, so that every element of the Jacobian matters.
 */
export async function gradientErrors({ shapes, apply, data = [] }: OperatorCase): Promise<number[]> {
  const graph = new GraphBuilder("float64");
  const inputs = shapes.map((shape, index) => bindingOf(`x${index}`, shape, 100 + index));
  const values = inputs.map(({ name, shape }) => graph.parameter(name, shape));
  const loss = weightedSum(graph, apply(graph, values));
  const gradientOf = graph.gradients(loss);
  graph.output("loss", loss);
  const gradients = values.map((value, index) => {
    // Two inputs may have one and the same gradient (a sum does that to its terms): each gets a copy.
    graph.output(`g${index}`, graph.node("Identity", [gradientOf(value)], value.shape));
    return { name: `g${index}`, shape: value.shape, data: new Float64Array(elements(value.shape)) };
  });
  const lossBinding = { name: "loss", shape: [], data: new Float64Array(1) };
  const session = await openSession(graph.encode(), {
    precision: "float64",
    inputs: [...inputs, ...data],
    outputs: [lossBinding, ...gradients],
  });

  await session.run();
  const analytic = gradients.map((gradient) => gradient.data.slice());
  const errors: number[] = [];
  for (const [index, input] of inputs.entries()) {
    const numeric = await differences(input.data, session.run, () => lossBinding.data[0] ?? Number.NaN);
    errors.push(relativeError(analytic[index] ?? [], numeric));
  }
  await session.close();
  return errors;
}

/** Central difference of the loss by every element of `data`, which is left as it was. */
export async function differences(
  data: Float64Array,
  run: () => Promise<void>,
  loss: () => number,
  indices: Iterable<number> = data.keys(),
): Promise<number[]> {
  const result: number[] = [];
  for (const index of indices) {
    const original = data[index] ?? 0;
    data[index] = original + halfStep;
    await run();
    const above = loss();
    data[index] = original - halfStep;
    await run();
    result.push((above - loss()) / (2 * halfStep));
    data[index] = original;
  }
  return result;
}

function weightedSum(graph: GraphBuilder, y: Value): Value {
  const weights = graph.constant(uniform(elements(y.shape), 7), y.shape);
  const sum = emit.total(graph, "ReduceSum", emit.multiply(graph, y, weights));
  return graph.differentiable(sum, [y], (dSum) => [emit.multiply(graph, weights, dSum)]);
}

function bindingOf(name: string, shape: readonly number[], seed: number) {
  return { name, shape, data: uniform(elements(shape), seed) };
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
