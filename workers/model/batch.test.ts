import { describe, expect, it } from "vitest";
import { checkBatch } from "./batch.ts";
import { randomBatch, tinySpec } from "./testing/fixtures.ts";
import { windowsAt } from "./tokens.ts";

const good = () => randomBatch(tinySpec, 2, 1);

describe("a batch", () => {
  it("counts every prediction unless it has a mask", () => {
    const { inputs, targets } = good();
    expect(checkBatch(tinySpec, { inputs, targets })).toEqual({
      sequences: 2,
      inputs,
      targets,
      mask: new Float32Array(10).fill(1),
    });
  });

  it("is copied, so that sending it takes nothing from the caller", () => {
    const batch = good();
    expect(checkBatch(tinySpec, batch).inputs.buffer).not.toBe(batch.inputs.buffer);
  });

  it.each([
    [
      "no sequences",
      "batch-shape",
      { inputs: new Int32Array(0), targets: new Int32Array(0), mask: new Float32Array(0) },
    ],
    [
      "half a sequence",
      "batch-shape",
      { inputs: new Int32Array(8), targets: new Int32Array(8), mask: new Float32Array(8) },
    ],
    ["fewer targets than inputs", "batch-shape", { ...good(), targets: new Int32Array(5) }],
    ["a mask of another length", "batch-shape", { ...good(), mask: new Float32Array(5).fill(1) }],
    ["a negative token", "token-out-of-range", { ...good(), inputs: new Int32Array(10).fill(-1) }],
    [
      "a target outside the vocabulary",
      "token-out-of-range",
      { ...good(), targets: new Int32Array(10).fill(11) },
    ],
    ["half weights", "mask-value", { ...good(), mask: new Float32Array(10).fill(0.5) }],
    ["a sequence without predictions", "mask-empty", { ...good(), mask: new Float32Array(10).fill(1, 0, 5) }],
  ])("with %s is refused", (_, code, batch) => {
    expect(() => checkBatch(tinySpec, batch)).toThrowError(expect.objectContaining({ code }));
  });
});

describe("windows", () => {
  const text = Uint16Array.from({ length: 10 }, (_, index) => 100 + index);

  it("have targets one token ahead of their inputs", () => {
    expect(windowsAt(text, [0, 6], 3)).toEqual({
      inputs: Int32Array.of(100, 101, 102, 106, 107, 108),
      targets: Int32Array.of(101, 102, 103, 107, 108, 109),
    });
  });

  it.each([-1, 7, 0.5])("do not leave the text (start %f)", (start) => {
    expect(() => windowsAt(text, [start], 3)).toThrowError(
      expect.objectContaining({ code: "window-out-of-range" }),
    );
  });
});
