/**
 * What this machine's runtime reaches at best on one thread: one large matrix product through the same onnxruntime.
 *
 * @module
 */
import { GraphBuilder } from "../model/graph.ts";
import { openSession } from "../model/onnx-runtime.ts";
import { secondsUntil } from "./spread.ts";

/** Large enough that the product takes milliseconds, small enough for the second-level cache. */
const SIZE = 512;
const PRODUCTS = 8;

export interface MatrixProbe {
  /** GFLOP/s, measured now. */
  measure(): Promise<number>;
  close(): Promise<void>;
}

/** Blocks the event loop while it measures: nothing else is to run then. */
export async function createMatrixProbe(): Promise<MatrixProbe> {
  const shape = [SIZE, SIZE];
  const graph = new GraphBuilder();
  const product = graph.node("MatMul", [graph.input("a", shape), graph.input("b", shape)], shape);
  graph.output("product", product);
  const matrix = (value: number) => new Float32Array(SIZE * SIZE).fill(value);
  const session = await openSession(graph.encode(), {
    inputs: [
      { name: "a", shape, data: matrix(0.5) },
      { name: "b", shape, data: matrix(0.25) },
    ],
    outputs: [{ name: "product", shape, data: matrix(0) }],
  });
  await session.run();
  return {
    async measure() {
      const seconds = await secondsUntil(async () => {
        for (let i = 0; i < PRODUCTS; i++) await session.run();
      });
      return (PRODUCTS * 2 * SIZE ** 3) / seconds / 1e9;
    },
    close: () => session.close(),
  };
}
