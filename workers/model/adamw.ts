/**
 * AdamW (Loshchilov and Hutter 2019) under global-norm clipping, as nodes of the training graph.
 *
 * @module
 */
import type { AdamwSettings } from "../../schemas/model.ts";
import type { GraphBuilder, Value } from "./graph.ts";
import * as emit from "./operators/emit.ts";

/** Keeps the clipping factor finite at norm 0, as PyTorch's `clip_grad_norm_` does. */
const normEpsilon = 1e-6;

/** One tensor with its gradient and its first and second moment, all of one shape. */
export interface TensorState {
  name: string;
  parameter: Value;
  gradient: Value;
  m: Value;
  v: Value;
}

/** What changes from step to step, each of shape []. */
export interface AdamwScalars {
  learningRate: Value;
  /** 1 / (1 - beta1^step). */
  firstCorrection: Value;
  /** 1 / (1 - beta2^step). */
  secondCorrection: Value;
}

/** The new values, in the order of the tensors given, and the norm of the whole gradient before clipping. */
export interface AdamwUpdate {
  gradientNorm: Value;
  tensors: Omit<TensorState, "gradient">[];
}

/**
 * With c = min(1, clipNorm / (|g| + 1e-6)) over all tensors together:
 *
 *     m' = beta1 m + (1 - beta1) c g
 *     v' = beta2 v + (1 - beta2) (c g)^2
 *     p' = (1 - learningRate weightDecay) p - learningRate m'^ / (sqrt(v'^) + epsilon)
 *
 * where ^ is the bias correction, and the decay acts on tensors of rank 2 and more. The corrections are folded
 * into two scalars (Kingma and Ba 2015, end of section 2), which saves two passes over every tensor.
 *
 * **The norm is always there, also when nothing is ever clipped.** Through it every update depends on every
 * gradient, so no parameter is written before the last read of any parameter: that, and the last node of each
 * new value working element by element, is what makes the in-place update of the trainer right.
 */
export function adamw(
  graph: GraphBuilder,
  settings: AdamwSettings,
  tensors: readonly TensorState[],
  scalars: AdamwScalars,
): AdamwUpdate {
  const { beta1, beta2, epsilon, weightDecay, clipNorm } = settings;
  const add = (a: Value, b: Value) => emit.add(graph, a, b);
  const multiply = (a: Value, b: Value) => emit.multiply(graph, a, b);
  const divide = (a: Value, b: Value) => emit.divide(graph, a, b);
  const root = (x: Value) => emit.each(graph, "Sqrt", x);
  const scalar = (value: number) => graph.scalar(value);

  const squares = tensors.map(({ gradient }) => emit.total(graph, "ReduceSumSquare", gradient));
  const gradientNorm = root(graph.node("Sum", squares, []));
  const ratio = divide(scalar(clipNorm), add(gradientNorm, scalar(normEpsilon)));
  const clip = emit.minimum(graph, scalar(1), ratio);
  const firstWeight = multiply(clip, scalar(1 - beta1));
  const secondWeight = multiply(multiply(clip, clip), scalar(1 - beta2));

  const rootCorrection = root(scalars.secondCorrection);
  const stepSize = divide(multiply(scalars.learningRate, scalars.firstCorrection), rootCorrection);
  const scaledEpsilon = divide(scalar(epsilon), rootCorrection);
  const kept = emit.subtract(graph, scalar(1), multiply(scalars.learningRate, scalar(weightDecay)));

  const updated = tensors.map(({ name, parameter, gradient, m, v }) => {
    const nextM = add(multiply(m, scalar(beta1)), multiply(gradient, firstWeight));
    const square = multiply(gradient, gradient);
    const nextV = add(multiply(v, scalar(beta2)), multiply(square, secondWeight));
    const update = multiply(divide(nextM, add(root(nextV), scaledEpsilon)), stepSize);
    const decayed = parameter.shape.length >= 2 ? multiply(parameter, kept) : parameter;
    return { name, parameter: emit.subtract(graph, decayed, update), m: nextM, v: nextV };
  });
  return { gradientNorm, tensors: updated };
}
