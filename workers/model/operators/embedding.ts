/**
 * Token embedding.
 *
 * @module
 */
import type { GraphBuilder, Value } from "../graph.ts";
import * as emit from "./emit.ts";

/**
 * y[n] = E[tokens[n]] for the table E [V, D] and int32 tokens [N].
 *
 * dE[v] = sum of dy[n] over the n with tokens[n] = v. ScatterElements adds in order on one thread; ScatterND
 * would add in parallel, in an order that changes from run to run, and so would the last bits of the sum.
 */
export function embedding(graph: GraphBuilder, table: Value, tokens: Value): Value {
  const shape = [emit.sizeOf(tokens, 0), emit.sizeOf(table, 1)];
  const y = graph.node("Gather", [table, tokens], shape, { attributes: { axis: 0 } });
  return graph.differentiable(y, [table], (dy) => {
    const zeros = emit.expand(graph, graph.scalar(0), table.shape);
    const column = emit.reshape(graph, tokens, [emit.sizeOf(tokens, 0), 1]);
    const rows = emit.expand(graph, column, shape);
    const attributes = { axis: 0, reduction: "add" };
    return [graph.node("ScatterElements", [zeros, rows, dy], table.shape, { attributes })];
  });
}
