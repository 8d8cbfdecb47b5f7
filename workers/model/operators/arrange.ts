/**
 * Operators that move elements without changing them, and the residual sum.
 *
 * @module
 */
import type { GraphBuilder, Value } from "../graph.ts";
import * as emit from "./emit.ts";

/** y = a + b for equal shapes; da = db = dy. */
export function residual(graph: GraphBuilder, a: Value, b: Value): Value {
  return graph.differentiable(emit.add(graph, a, b), [a, b], (dy) => [dy, dy]);
}

/** [B*T, heads*size] -> [B, heads, T, size]: each head's rows side by side. dx: the way back. */
export function splitHeads(graph: GraphBuilder, x: Value, sizes: HeadSplit): Value {
  return graph.differentiable(split(graph, x, sizes), [x], (dy) => [merge(graph, dy, x.shape)]);
}

/** [B, heads, T, size] -> [B*T, heads*size]: the inverse of {@link splitHeads}. */
export function mergeHeads(graph: GraphBuilder, x: Value): Value {
  const [batch = 1, heads = 1, length = 1, size = 1] = x.shape;
  const merged = merge(graph, x, [batch * length, heads * size]);
  return graph.differentiable(merged, [x], (dy) => [split(graph, dy, { batch, heads, length, size })]);
}

/** The four sizes hidden in a [B*T, heads*size] activation. */
export interface HeadSplit {
  batch: number;
  length: number;
  heads: number;
  size: number;
}

const headsFirst = [0, 2, 1, 3];

function split(graph: GraphBuilder, x: Value, { batch, length, heads, size }: HeadSplit): Value {
  return emit.transpose(graph, emit.reshape(graph, x, [batch, length, heads, size]), headsFirst);
}

function merge(graph: GraphBuilder, x: Value, shape: readonly number[]): Value {
  return emit.reshape(graph, emit.transpose(graph, x, headsFirst), shape);
}
