/**
 * Rotary position embedding (Su et al. 2021), in the half-split form of Llama checkpoints.
 *
 * @module
 */
import type { GraphBuilder, Value } from "../graph.ts";
import * as emit from "./emit.ts";

/**
 * Turns each pair (x[i], x[i + size/2]) at position t by the angle t * base^(-2i/size); x [B, heads, T, size].
 *
 * A rotation is orthogonal: dx is dy turned back by the same angles.
 */
export function rotary(graph: GraphBuilder, x: Value, base: number): Value {
  return graph.differentiable(turn(graph, x, base, 1), [x], (dy) => [turn(graph, dy, base, -1)]);
}

/** x * cos + (x with its halves swapped) * (-sin, +sin). */
function turn(graph: GraphBuilder, x: Value, base: number, direction: 1 | -1): Value {
  const shape = [emit.sizeOf(x, 2), emit.sizeOf(x, 3)];
  const half = emit.sizeOf(x, 3) / 2;
  const alongSize = { attributes: { axis: 3 } };
  const [first, second] = graph.twin(
    "Split",
    [x, graph.integers([half, half])],
    x.shape.with(3, half),
    alongSize,
  );
  const swapped = graph.node("Concat", [second, first], x.shape, alongSize);

  const key = `${base} ${shape}`;
  const cosine = graph.table(`rotary cosine ${key}`, shape, () =>
    overAngles(shape, base, (angle) => Math.cos(angle)),
  );
  const sine = graph.table(`rotary sine ${direction} ${key}`, shape, () =>
    overAngles(shape, base, (angle, side) => direction * side * Math.sin(angle)),
  );
  return emit.add(graph, emit.multiply(graph, x, cosine), emit.multiply(graph, swapped, sine));
}

/** [T, size] of f(angle, side); side is -1 in the first half of a head and 1 in the second. */
function overAngles(
  [length = 0, size = 0]: readonly number[],
  base: number,
  f: (angle: number, side: 1 | -1) => number,
): Float64Array {
  const half = size / 2;
  return Float64Array.from({ length: length * size }, (_, at) => {
    const column = at % size;
    const position = Math.floor(at / size);
    return f(position * base ** (-(column % half) / half), column < half ? -1 : 1);
  });
}
