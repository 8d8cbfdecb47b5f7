/**
 * Causal attention with grouped queries (Ainslie et al. 2023).
 *
 * @module
 */
import type { GraphBuilder, Value } from "../graph.ts";
import * as emit from "./emit.ts";

/** Added to the score of a future position: finite, so that no NaN can arise, and its softmax is exactly 0. */
const maskedScore = -1e9;

/**
 * o = p v with p = softmax(q k^T / sqrt(size) + causal mask); q and o [B, heads, T, size],
 * k and v [B, keyValueHeads, T, size]. Query head h reads key and value head floor(h / group), with
 * group = heads / keyValueHeads.
 *
 * The queries of one group share their keys, so they are stacked as the rows of one matrix, [group*T, size].
 * That reshape moves nothing, keys and values need no copies, and the matrix products below already sum
 * dk and dv over the group.
 *
 * dv = p^T do, dp = do v^T, ds = p * (dp - sum(dp * p)) row by row, dq = ds k / sqrt(size),
 * dk = ds^T q / sqrt(size).
 */
export function attention(graph: GraphBuilder, query: Value, key: Value, value: Value): Value {
  const [batch = 1, heads = 1, length = 1, size = 1] = query.shape;
  const keyValueHeads = emit.sizeOf(key, 1);
  const group = heads / keyValueHeads;
  const scale = 1 / Math.sqrt(size);
  const stacked = [batch, keyValueHeads, group * length, size];

  const q = emit.reshape(graph, query, stacked);
  const scores = emit.stackedProduct(graph, q, key, { transposeB: true, scale });
  const p = emit.normalise(graph, "Softmax", emit.add(graph, scores, causalMask(graph, length, group)));
  const output = emit.reshape(graph, emit.stackedProduct(graph, p, value), query.shape);

  return graph.differentiable(output, [query, key, value], (dOutput) => {
    const dO = emit.reshape(graph, dOutput, stacked);
    const dValue = emit.stackedProduct(graph, p, dO, { transposeA: true });
    const weighted = emit.multiply(graph, emit.stackedProduct(graph, dO, value, { transposeB: true }), p);
    const rowSum = emit.reduce(graph, "ReduceSum", weighted, 3);
    const dScores = emit.subtract(graph, weighted, emit.multiply(graph, p, rowSum));
    const dQuery = emit.reshape(graph, emit.stackedProduct(graph, dScores, key, { scale }), query.shape);
    const dKey = emit.stackedProduct(graph, dScores, q, { transposeA: true, scale });
    return [dQuery, dKey, dValue];
  });
}

/** [group*T, T]: 0 where the query may look, {@link maskedScore} where the key lies in its future. */
function causalMask(graph: GraphBuilder, length: number, group: number): Value {
  const rows = group * length;
  return graph.table(`causal mask ${length} ${group}`, [rows, length], () => {
    const mask = new Float64Array(rows * length);
    for (let row = 0; row < rows; row++) {
      const position = row % length;
      mask.fill(maskedScore, row * length + position + 1, (row + 1) * length);
    }
    return mask;
  });
}
