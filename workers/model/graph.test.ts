import { describe, expect, it } from "vitest";
import { GraphBuilder } from "./graph.ts";
import { openSession } from "./onnx-runtime.ts";
import * as emit from "./operators/emit.ts";
import { linear } from "./operators/linear.ts";

describe("a graph", () => {
  it("loads and computes in both precisions", async () => {
    for (const precision of ["float32", "float64"] as const) {
      const graph = new GraphBuilder(precision);
      const sum = emit.add(graph, graph.input("a", [2, 300]), graph.scalar(0.5));
      graph.output("sum", sum);
      const Elements = precision === "float32" ? Float32Array : Float64Array;
      const input = { name: "a", shape: [2, 300], data: new Elements(600).fill(1) };
      const output = { name: "sum", shape: [2, 300], data: new Elements(600) };
      const session = await openSession(graph.encode(), { precision, inputs: [input], outputs: [output] });
      await session.run();
      await session.close();
      expect(output.data).toEqual(new Elements(600).fill(1.5));
    }
  });

  it("names the parameter that the loss does not depend on", () => {
    const graph = new GraphBuilder();
    const x = graph.parameter("used", [1, 1]);
    const unused = graph.parameter("unused", [1, 1]);
    const gradientOf = graph.gradients(emit.reshape(graph, linear(graph, x, x), []));
    expect(() => gradientOf(unused)).toThrowError(
      expect.objectContaining({ code: "gradient-missing", details: { parameter: "unused" } }),
    );
  });

  it("refuses shapes that do not broadcast", () => {
    const graph = new GraphBuilder();
    const add = () => emit.add(graph, graph.input("a", [2, 3]), graph.input("b", [2, 4]));
    expect(add).toThrowError(expect.objectContaining({ code: "graph-shape" }));
  });

  it("refuses two names for one output", () => {
    const graph = new GraphBuilder();
    const value = emit.each(graph, "Neg", graph.input("a", []));
    graph.output("first", value);
    expect(() => graph.output("second", value)).toThrowError(
      expect.objectContaining({ code: "graph-output-repeated" }),
    );
  });

  it("that the runtime cannot load is a typed error", async () => {
    const broken = openSession(Uint8Array.of(1, 2, 3), { inputs: [], outputs: [] });
    await expect(broken).rejects.toMatchObject({ name: "OuterloopError", code: "model-runtime" });
  });
});
