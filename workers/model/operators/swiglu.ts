/**
 * SwiGLU activation (Shazeer 2020).
 *
 * @module
 */
import type { GraphBuilder, Value } from "../graph.ts";
import * as emit from "./emit.ts";

/**
 * y = silu(a) * b with silu(a) = a s and s = sigmoid(a); a (gate) and b (up) [N, F].
 *
 * db = dy * silu(a), and da = dy * b * (s + silu(a) (1 - s)).
 */
export function swiglu(graph: GraphBuilder, gate: Value, up: Value): Value {
  const sigmoid = emit.each(graph, "Sigmoid", gate);
  const silu = emit.multiply(graph, gate, sigmoid);
  return graph.differentiable(emit.multiply(graph, silu, up), [gate, up], (dy) => {
    const rest = emit.multiply(graph, silu, emit.subtract(graph, graph.scalar(1), sigmoid));
    const slope = emit.add(graph, sigmoid, rest);
    return [emit.multiply(graph, emit.multiply(graph, dy, up), slope), emit.multiply(graph, dy, silu)];
  });
}
