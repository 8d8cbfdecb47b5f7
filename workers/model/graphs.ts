/**
 * The three graphs of a model: its loss, its gradients (for checks), and one training step.
 *
 * @module
 */
import type { AdamwSettings, ModelSpec } from "../../schemas/model.ts";
import { tensorsOf } from "../../schemas/tensors.ts";
import { adamw } from "./adamw.ts";
import { GraphBuilder, type Precision, type Value } from "./graph.ts";
import { type BatchValues, llamaLoss } from "./llama.ts";

/** Names of the inputs and outputs that are not tensors of the model. */
export const portNames = {
  inputs: "batch.inputs",
  targets: "batch.targets",
  mask: "batch.mask",
  learningRate: "learning_rate",
  firstCorrection: "first_correction",
  secondCorrection: "second_correction",
  loss: "loss",
  sequenceLosses: "sequence_losses",
  gradientNorm: "gradient_norm",
} as const;

/** The kinds of state that a training step turns into new ones, and the prefixes of their names in the graph. */
export const stateKinds = ["parameters", "m", "v"] as const;
export type StateKind = (typeof stateKinds)[number];

/** Name of a tensor before the step. */
export function stateName(kind: StateKind, tensor: string): string {
  return `${kind}/${tensor}`;
}

/** Name of a tensor after the step. */
export function nextStateName(kind: StateKind, tensor: string): string {
  return `next/${kind}/${tensor}`;
}

/** Name of the gradient of a tensor in {@link gradientGraph}. */
export function gradientName(tensor: string): string {
  return `gradient/${tensor}`;
}

/** Parameters and a batch -> `loss` [] and `sequence_losses` [B]. */
export function lossGraph(spec: ModelSpec, batchSize: number, precision: Precision = "float32"): Uint8Array {
  const graph = new GraphBuilder(precision);
  const parameters = new Map<string, Value>();
  for (const { name, shape } of tensorsOf(spec)) {
    parameters.set(name, graph.input(stateName("parameters", name), shape));
  }
  const loss = llamaLoss(graph, spec, parameters, batchInputs(graph, spec, batchSize));
  graph.output(portNames.loss, loss.mean);
  graph.output(portNames.sequenceLosses, loss.bySequence);
  return graph.encode();
}

/** Parameters and a batch -> `loss` [] and the gradient of every tensor. */
export function gradientGraph(
  spec: ModelSpec,
  batchSize: number,
  precision: Precision = "float32",
): Uint8Array {
  const graph = new GraphBuilder(precision);
  const { mean, tensors } = differentiatedLoss(graph, spec, batchSize);
  graph.output(portNames.loss, mean);
  for (const { name, gradient } of tensors) graph.output(gradientName(name), gradient);
  return graph.encode();
}

/** Parameters, moments, a batch and three scalars -> `loss`, `gradient_norm` and the next parameters and moments. */
export function trainingGraph(spec: ModelSpec, optimiser: AdamwSettings, batchSize: number): Uint8Array {
  const graph = new GraphBuilder();
  const { mean, tensors } = differentiatedLoss(graph, spec, batchSize);
  const states = tensors.map((tensor) => ({
    ...tensor,
    m: graph.input(stateName("m", tensor.name), tensor.parameter.shape),
    v: graph.input(stateName("v", tensor.name), tensor.parameter.shape),
  }));
  const update = adamw(graph, optimiser, states, {
    learningRate: graph.input(portNames.learningRate, []),
    firstCorrection: graph.input(portNames.firstCorrection, []),
    secondCorrection: graph.input(portNames.secondCorrection, []),
  });
  graph.output(portNames.loss, mean);
  graph.output(portNames.gradientNorm, update.gradientNorm);
  for (const next of update.tensors) {
    graph.output(nextStateName("parameters", next.name), next.parameter);
    graph.output(nextStateName("m", next.name), next.m);
    graph.output(nextStateName("v", next.name), next.v);
  }
  return graph.encode();
}

interface DifferentiatedLoss {
  mean: Value;
  tensors: { name: string; parameter: Value; gradient: Value }[];
}

/** Forward and backward pass: the mean loss and, in declared order, every tensor with its gradient. */
function differentiatedLoss(graph: GraphBuilder, spec: ModelSpec, batchSize: number): DifferentiatedLoss {
  const parameters = new Map<string, Value>();
  for (const { name, shape } of tensorsOf(spec)) {
    parameters.set(name, graph.parameter(stateName("parameters", name), shape));
  }
  const { mean } = llamaLoss(graph, spec, parameters, batchInputs(graph, spec, batchSize));
  const gradientOf = graph.gradients(mean);
  const tensors = [...parameters].map(([name, parameter]) => ({
    name,
    parameter,
    gradient: gradientOf(parameter),
  }));
  return { mean, tensors };
}

function batchInputs(graph: GraphBuilder, spec: ModelSpec, batchSize: number): BatchValues {
  const shape = [batchSize, spec.sequenceLength];
  return {
    inputs: graph.input(portNames.inputs, shape, "int32"),
    targets: graph.input(portNames.targets, shape, "int32"),
    mask: graph.input(portNames.mask, shape),
  };
}
