import { expect, it } from "vitest";
import { executionProviders } from "./onnx-runtime.ts";

it("runs on the CPU unless CUDA is asked for", () => {
  expect(executionProviders(undefined)).toEqual(["cpu"]);
  expect(executionProviders("cpu")).toEqual(["cpu"]);
  expect(executionProviders("cuda")).toEqual(["cuda", "cpu"]);
  expect(() => executionProviders("rocm")).toThrow(/cpu or cuda, not "rocm"/);
});
