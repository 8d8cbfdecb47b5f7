import { describe, expect, it } from "vitest";
import type { ModelSpec } from "../../schemas/model.ts";
import type { Precision } from "./graph.ts";
import { gradientGraph, gradientName, lossGraph, portNames, stateName } from "./graphs.ts";
import { initialParameters } from "./initial-parameters.ts";
import { openSession } from "./onnx-runtime.ts";
import { parameterCount, placedTensors } from "./parameters.ts";
import { randomBatch, relativeError, seedOf, tinySpecs } from "./testing/fixtures.ts";
import { differences } from "./testing/gradient-check.ts";
import { referenceLosses } from "./testing/llama-reference.ts";

const batchSize = 3;
const elementsPerTensor = 12;

/** Initial weights, ten times as large: attention and activations leave their linear range. */
function strongParameters(spec: ModelSpec): Float32Array {
  return initialParameters(spec, seedOf(3)).map((value) => (value === 1 ? 0.9 : 10 * value));
}

/** A graph bound to arrays of its precision, with every tensor of the model placed in one flat vector. */
async function open(spec: ModelSpec, kind: "loss" | "gradient", precision: Precision) {
  const Elements = precision === "float64" ? Float64Array : Float32Array;
  const batch = randomBatch(spec, batchSize, 5, true);
  const shape = [batchSize, spec.sequenceLength];
  const flat = Elements.from(strongParameters(spec));
  const gradients = new Elements(parameterCount(spec));
  const loss = new Elements(1);
  const sequenceLosses = new Elements(batchSize);
  const views = (data: typeof flat, nameOf: (tensor: string) => string) =>
    placedTensors(spec).map(({ name, shape, offset, size }) => ({
      name: nameOf(name),
      shape,
      data: data.subarray(offset, offset + size),
    }));
  const build = kind === "loss" ? lossGraph : gradientGraph;
  const session = await openSession(build(spec, batchSize, precision), {
    precision,
    inputs: [
      ...views(flat, (tensor) => stateName("parameters", tensor)),
      { name: portNames.inputs, shape, data: batch.inputs },
      { name: portNames.targets, shape, data: batch.targets },
      { name: portNames.mask, shape, data: Elements.from(batch.mask) },
    ],
    outputs: [
      { name: portNames.loss, shape: [], data: loss },
      ...(kind === "loss"
        ? [{ name: portNames.sequenceLosses, shape: [batchSize], data: sequenceLosses }]
        : views(gradients, gradientName)),
    ],
  });
  return { session, batch, flat, gradients, loss, sequenceLosses };
}

describe.each(tinySpecs)("Llama with %s", (_, spec) => {
  it("has the losses of the plain implementation", async () => {
    const { session, batch, loss, sequenceLosses } = await open(spec, "loss", "float64");
    await session.run();
    await session.close();
    const all: number[] = [];
    for (let sequence = 0; sequence < batchSize; sequence++) {
      const range = [sequence * spec.sequenceLength, (sequence + 1) * spec.sequenceLength] as const;
      const counted = referenceLosses(
        spec,
        strongParameters(spec),
        batch.inputs.subarray(...range),
        batch.targets.subarray(...range),
      ).filter((_, t) => batch.mask[range[0] + t] === 1);
      expect(sequenceLosses[sequence]).toBeCloseTo(mean(counted), 8);
      all.push(...counted);
    }
    expect(loss[0]).toBeCloseTo(mean(all), 8);
  });

  it("has gradients that agree with finite differences", async () => {
    const analytic = await open(spec, "gradient", "float64");
    await analytic.session.run();
    await analytic.session.close();
    const { session, flat, loss } = await open(spec, "loss", "float64");
    if (!(flat instanceof Float64Array)) throw new Error("expected float64");
    for (const { name, offset, size } of placedTensors(spec)) {
      const count = Math.min(size, elementsPerTensor);
      const indices = Array.from({ length: count }, (_, i) => offset + Math.floor((i * size) / count));
      const numeric = await differences(flat, session.run, () => loss[0] ?? Number.NaN, indices);
      const error = relativeError(
        indices.map((index) => analytic.gradients[index] ?? Number.NaN),
        numeric,
      );
      expect(error, name).toBeLessThan(1e-6);
    }
    await session.close();
  });

  it("has float32 gradients close to those in float64", async () => {
    const [single, double] = [
      await open(spec, "gradient", "float32"),
      await open(spec, "gradient", "float64"),
    ];
    await single.session.run();
    await double.session.run();
    expect(single.loss[0]).toBeCloseTo(double.loss[0] ?? Number.NaN, 5);
    expect(relativeError(single.gradients, double.gradients)).toBeLessThan(1e-5);
    await single.session.close();
    await double.session.close();
  });
});

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
