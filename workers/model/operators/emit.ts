/**
 * One function per ONNX operator in use: appends the node and works out the shape of its output. Nothing here
 * has a gradient; the differentiable operators beside this file are composed of these, forward and backward.
 *
 * @module
 */
import { OuterloopError } from "../../../schemas/errors.ts";
import type { GraphBuilder, Value } from "../graph.ts";

/** a + b, broadcast. */
export function add(graph: GraphBuilder, a: Value, b: Value): Value {
  return graph.node("Add", [a, b], broadcast(a, b));
}

/** a - b, broadcast. */
export function subtract(graph: GraphBuilder, a: Value, b: Value): Value {
  return graph.node("Sub", [a, b], broadcast(a, b));
}

/** a * b element by element, broadcast. */
export function multiply(graph: GraphBuilder, a: Value, b: Value): Value {
  return graph.node("Mul", [a, b], broadcast(a, b));
}

/** a / b, broadcast. */
export function divide(graph: GraphBuilder, a: Value, b: Value): Value {
  return graph.node("Div", [a, b], broadcast(a, b));
}

/** The smaller of a and b. */
export function minimum(graph: GraphBuilder, a: Value, b: Value): Value {
  return graph.node("Min", [a, b], broadcast(a, b));
}

/** The larger of a and b. */
export function maximum(graph: GraphBuilder, a: Value, b: Value): Value {
  return graph.node("Max", [a, b], broadcast(a, b));
}

/** A function of each element alone. */
export function each(
  graph: GraphBuilder,
  operator: "Exp" | "Neg" | "Reciprocal" | "Sigmoid" | "Sqrt",
  x: Value,
): Value {
  return graph.node(operator, [x], x.shape);
}

/** Normalises along the last axis: softmax, or its logarithm. */
export function normalise(graph: GraphBuilder, operator: "Softmax" | "LogSoftmax", x: Value): Value {
  return graph.node(operator, [x], x.shape, { attributes: { axis: x.shape.length - 1 } });
}

/** Sum or mean over one axis, which stays with size 1. */
export function reduce(
  graph: GraphBuilder,
  operator: "ReduceMean" | "ReduceSum",
  x: Value,
  axis: number,
): Value {
  const shape = x.shape.with(axis, 1);
  return graph.node(operator, [x, graph.integers([axis])], shape, { attributes: { keepdims: 1 } });
}

/** Sum over every element, shape []. */
export function total(graph: GraphBuilder, operator: "ReduceSum" | "ReduceSumSquare", x: Value): Value {
  return graph.node(operator, [x], [], { attributes: { keepdims: 0 } });
}

/** The same elements in row-major order under another shape. */
export function reshape(graph: GraphBuilder, x: Value, shape: readonly number[]): Value {
  return graph.node("Reshape", [x, graph.integers(shape)], shape);
}

/** Output axis i is input axis `permutation[i]`. */
export function transpose(graph: GraphBuilder, x: Value, permutation: readonly number[]): Value {
  const shape = permutation.map((axis) => sizeOf(x, axis));
  return graph.node("Transpose", [x], shape, { attributes: { perm: permutation } });
}

/** Repeats axes of size 1 until the shape is `shape`. */
export function expand(graph: GraphBuilder, x: Value, shape: readonly number[]): Value {
  return graph.node("Expand", [x, graph.integers(shape)], shape);
}

/** Which operands of a product are transposed in their last two axes, and a factor on the product. */
export interface ProductOptions {
  transposeA?: boolean;
  transposeB?: boolean;
  scale?: number;
}

/** Product of two matrices, [M,K] x [K,N] -> [M,N]; either may be stored transposed. */
export function matrixProduct(graph: GraphBuilder, a: Value, b: Value, options: ProductOptions = {}): Value {
  const { transposeA = false, transposeB = false } = options;
  const shape = [sizeOf(a, transposeA ? 1 : 0), sizeOf(b, transposeB ? 0 : 1)];
  const attributes = { transA: Number(transposeA), transB: Number(transposeB) };
  return graph.node("Gemm", [a, b], shape, { attributes });
}

/**
 * Products of stacks of matrices, [...,M,K] x [...,K,N] -> [...,M,N]; either may be stored transposed.
 *
 * onnxruntime's FusedMatMul transposes and scales within the product, but knows float32 only; in float64 the
 * same is spelt out.
 */
export function stackedProduct(graph: GraphBuilder, a: Value, b: Value, options: ProductOptions = {}): Value {
  const { transposeA = false, transposeB = false, scale = 1 } = options;
  const rank = a.shape.length;
  const rows = sizeOf(a, transposeA ? rank - 1 : rank - 2);
  const columns = sizeOf(b, transposeB ? rank - 2 : rank - 1);
  const shape = [...a.shape.slice(0, rank - 2), rows, columns];
  if (graph.precision === "float32") {
    const attributes = { transA: Number(transposeA), transB: Number(transposeB), alpha: { float: scale } };
    return graph.node("FusedMatMul", [a, b], shape, { attributes, domain: "com.microsoft" });
  }
  const swapped = [...a.shape.keys()].with(rank - 2, rank - 1).with(rank - 1, rank - 2);
  const left = transposeA ? transpose(graph, a, swapped) : a;
  const right = transposeB ? transpose(graph, b, swapped) : b;
  return multiply(graph, graph.node("MatMul", [left, right], shape), graph.scalar(scale));
}

/** Size of one axis; a typed error where the value has no such axis. */
export function sizeOf(value: Value, axis: number): number {
  const size = value.shape[axis];
  if (size !== undefined) return size;
  throw new OuterloopError(
    "graph-shape",
    `value ${value.name} of shape [${value.shape}] has no axis ${axis}`,
  );
}

/** Shape of an element-by-element operation: equal sizes, or 1 against anything, aligned at the last axis. */
function broadcast(a: Value, b: Value): number[] {
  const rank = Math.max(a.shape.length, b.shape.length);
  return Array.from({ length: rank }, (_, axis) => {
    const left = a.shape[axis - rank + a.shape.length] ?? 1;
    const right = b.shape[axis - rank + b.shape.length] ?? 1;
    if (left === right || right === 1) return left;
    if (left === 1) return right;
    throw new OuterloopError("graph-shape", `shapes [${a.shape}] and [${b.shape}] do not broadcast`);
  });
}
