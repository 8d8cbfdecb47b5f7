/**
 * Linear map without bias.
 *
 * @module
 */
import type { GraphBuilder, Value } from "../graph.ts";
import * as emit from "./emit.ts";

/**
 * y = x W^T for x [N, in] and W [out, in] (the layout of Llama checkpoints).
 *
 * dx = dy W, dW = dy^T x.
 */
export function linear(graph: GraphBuilder, x: Value, weight: Value): Value {
  const y = emit.matrixProduct(graph, x, weight, { transposeB: true });
  return graph.differentiable(y, [x, weight], (dy) => [
    emit.matrixProduct(graph, dy, weight),
    emit.matrixProduct(graph, dy, x, { transposeA: true }),
  ]);
}
