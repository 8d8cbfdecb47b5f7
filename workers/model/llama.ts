/**
 * Llama (Touvron et al. 2023) as a graph: pre-norm layers of rotary grouped-query attention and SwiGLU.
 *
 * Activations are matrices [B*T, width]; attention alone sees [B, heads, T, size].
 *
 * @module
 */
import { OuterloopError } from "../../schemas/errors.ts";
import type { ModelSpec } from "../../schemas/model.ts";
import { embeddingName, finalNormName, headName, layerNames } from "../../schemas/tensors.ts";
import type { GraphBuilder, Value } from "./graph.ts";
import { type HeadSplit, mergeHeads, residual, splitHeads } from "./operators/arrange.ts";
import { attention } from "./operators/attention.ts";
import { crossEntropy, type MaskedLoss } from "./operators/cross-entropy.ts";
import { embedding } from "./operators/embedding.ts";
import * as emit from "./operators/emit.ts";
import { linear } from "./operators/linear.ts";
import { rmsNorm } from "./operators/rms-norm.ts";
import { rotary } from "./operators/rotary.ts";
import { swiglu } from "./operators/swiglu.ts";

/** The tensors of one batch. */
export interface BatchValues {
  /** int32 [B, T]: the tokens read. */
  inputs: Value;
  /** int32 [B, T]: the tokens to predict, one ahead of `inputs`. */
  targets: Value;
  /** [B, T]: 1 where a prediction counts, 0 where not. */
  mask: Value;
}

/** Forward pass: tokens -> masked cross-entropy. `parameters` are the values of the model's tensors by name. */
export function llamaLoss(
  graph: GraphBuilder,
  spec: ModelSpec,
  parameters: ReadonlyMap<string, Value>,
  batch: BatchValues,
): MaskedLoss {
  const weight = (name: string): Value => {
    const value = parameters.get(name);
    if (value !== undefined) return value;
    throw new OuterloopError("parameter-missing", `the graph has no tensor named ${name}`, { name });
  };
  const [sequences = 1, length = 1] = batch.inputs.shape;
  const flatTokens = (tokens: Value) => emit.reshape(graph, tokens, [sequences * length]);

  const table = weight(embeddingName);
  let stream = embedding(graph, table, flatTokens(batch.inputs));
  for (let layer = 0; layer < spec.layers; layer++) {
    stream = residual(graph, stream, attentionBlock(graph, spec, weight, layer, stream, sequences));
    stream = residual(graph, stream, feedForwardBlock(graph, spec, weight, layer, stream));
  }
  const normal = rmsNorm(graph, stream, weight(finalNormName), spec.normEpsilon);
  const logits = linear(graph, normal, spec.tiedHead ? table : weight(headName));
  return crossEntropy(graph, logits, flatTokens(batch.targets), batch.mask);
}

type WeightOf = (name: string) => Value;

function attentionBlock(
  graph: GraphBuilder,
  spec: ModelSpec,
  weight: WeightOf,
  layer: number,
  stream: Value,
  sequences: number,
): Value {
  const names = layerNames(layer);
  const split: HeadSplit = {
    batch: sequences,
    length: spec.sequenceLength,
    heads: spec.heads,
    size: spec.width / spec.heads,
  };
  const splitKeyValue = { ...split, heads: spec.keyValueHeads };
  const normal = rmsNorm(graph, stream, weight(names.attentionNorm), spec.normEpsilon);
  const query = splitHeads(graph, linear(graph, normal, weight(names.query)), split);
  const key = splitHeads(graph, linear(graph, normal, weight(names.key)), splitKeyValue);
  const value = splitHeads(graph, linear(graph, normal, weight(names.value)), splitKeyValue);
  const turn = (x: Value) => rotary(graph, x, spec.ropeBase);
  const attended = mergeHeads(graph, attention(graph, turn(query), turn(key), value));
  return linear(graph, attended, weight(names.attentionOutput));
}

function feedForwardBlock(
  graph: GraphBuilder,
  spec: ModelSpec,
  weight: WeightOf,
  layer: number,
  stream: Value,
): Value {
  const names = layerNames(layer);
  const normal = rmsNorm(graph, stream, weight(names.feedForwardNorm), spec.normEpsilon);
  const gate = linear(graph, normal, weight(names.gate));
  const up = linear(graph, normal, weight(names.up));
  return linear(graph, swiglu(graph, gate, up), weight(names.down));
}
