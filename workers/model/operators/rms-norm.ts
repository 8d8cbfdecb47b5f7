/**
 * Root-mean-square normalisation (Zhang and Sennrich 2019).
 *
 * @module
 */
import type { GraphBuilder, Value } from "../graph.ts";
import * as emit from "./emit.ts";

/**
 * y = n * w with n = x / r and r = sqrt(mean(x^2) + epsilon), row by row; x [N, D], w [D].
 *
 * With dn = dy * w: dx = (dn - n mean(dn * n)) / r, and dw = sum over rows of dy * n.
 */
export function rmsNorm(graph: GraphBuilder, x: Value, weight: Value, epsilon: number): Value {
  const meanSquare = emit.reduce(graph, "ReduceMean", emit.multiply(graph, x, x), 1);
  const root = emit.each(graph, "Sqrt", emit.add(graph, meanSquare, graph.scalar(epsilon)));
  const inverse = emit.each(graph, "Reciprocal", root);
  const normal = emit.multiply(graph, x, inverse);
  const y = emit.multiply(graph, normal, weight);
  return graph.differentiable(y, [x, weight], (dy) => {
    const dNormal = emit.multiply(graph, dy, weight);
    const along = emit.reduce(graph, "ReduceMean", emit.multiply(graph, dNormal, normal), 1);
    const across = emit.subtract(graph, dNormal, emit.multiply(graph, normal, along));
    const dWeight = emit.reduce(graph, "ReduceSum", emit.multiply(graph, dy, normal), 0);
    return [emit.multiply(graph, across, inverse), emit.reshape(graph, dWeight, weight.shape)];
  });
}
