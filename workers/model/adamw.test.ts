import { describe, expect, it } from "vitest";
import type { AdamwSettings } from "../../schemas/model.ts";
import { adamw } from "./adamw.ts";
import { GraphBuilder } from "./graph.ts";
import { openSession } from "./onnx-runtime.ts";
import { biasCorrections } from "./schedule.ts";
import { optimiser, uniform } from "./testing/fixtures.ts";

const learningRate = 0.01;
const shapes = { matrix: [2, 3], vector: [4] };

/** Every quantity of one tensor before the step. */
function startOf(length: number, seed: number) {
  return {
    parameter: uniform(length, seed),
    gradient: uniform(length, seed + 1),
    m: uniform(length, seed + 2),
    v: uniform(length, seed + 3).map(Math.abs),
  };
}

/** One step through the graph, in float64. */
async function stepOf(
  settings: AdamwSettings,
  step: number,
  tensors: Record<string, ReturnType<typeof startOf>>,
) {
  const graph = new GraphBuilder("float64");
  const corrections = biasCorrections(settings, step);
  const update = adamw(
    graph,
    settings,
    Object.entries(shapes).map(([name, shape]) => ({
      name,
      parameter: graph.input(`${name}.parameter`, shape),
      gradient: graph.input(`${name}.gradient`, shape),
      m: graph.input(`${name}.m`, shape),
      v: graph.input(`${name}.v`, shape),
    })),
    {
      learningRate: graph.scalar(learningRate),
      firstCorrection: graph.scalar(corrections.first),
      secondCorrection: graph.scalar(corrections.second),
    },
  );
  const norm = { name: "norm", shape: [], data: new Float64Array(1) };
  graph.output("norm", update.gradientNorm);
  const outputs = update.tensors.flatMap(({ name, ...values }) =>
    Object.entries(values).map(([kind, value]) => {
      graph.output(`next.${name}.${kind}`, value);
      const length = value.shape.reduce((product, size) => product * size, 1);
      return { name: `next.${name}.${kind}`, shape: value.shape, data: new Float64Array(length) };
    }),
  );
  const inputs = Object.entries(shapes).flatMap(([name, shape]) =>
    Object.entries(tensors[name] ?? {}).map(([kind, data]) => ({ name: `${name}.${kind}`, shape, data })),
  );
  const session = await openSession(graph.encode(), {
    precision: "float64",
    inputs,
    outputs: [norm, ...outputs],
  });
  await session.run();
  await session.close();
  return { norm: norm.data[0] ?? Number.NaN, next: new Map(outputs.map(({ name, data }) => [name, data])) };
}

/** The update as the paper writes it, element by element. */
function expectedOf(
  settings: AdamwSettings,
  step: number,
  clip: number,
  decay: number,
  start: ReturnType<typeof startOf>,
) {
  const { beta1, beta2, epsilon } = settings;
  const at = (values: Float64Array, i: number) => values[i] ?? Number.NaN;
  const m = start.m.map((m, i) => beta1 * m + (1 - beta1) * clip * at(start.gradient, i));
  const v = start.v.map((v, i) => beta2 * v + (1 - beta2) * (clip * at(start.gradient, i)) ** 2);
  const parameter = start.parameter.map((p, i) => {
    const correctedM = at(m, i) / (1 - beta1 ** step);
    const correctedV = at(v, i) / (1 - beta2 ** step);
    return p - learningRate * decay * p - (learningRate * correctedM) / (Math.sqrt(correctedV) + epsilon);
  });
  return { parameter, m, v };
}

describe("AdamW", () => {
  const tensors = { matrix: startOf(6, 10), vector: startOf(4, 20) };
  const norm = Math.hypot(...tensors.matrix.gradient, ...tensors.vector.gradient);

  it.each([
    ["clips a gradient above the norm", { ...optimiser, clipNorm: 0.5 }, 0.5 / (norm + 1e-6)],
    ["leaves a gradient below the norm", { ...optimiser, clipNorm: 100 }, 1],
    ["feels a large epsilon as the paper has it", { ...optimiser, clipNorm: 100, epsilon: 0.3 }, 1],
  ])("%s, and decays only the matrix", async (_, settings, clip) => {
    for (const step of [1, 2, 50]) {
      const result = await stepOf(settings, step, tensors);
      expect(result.norm).toBeCloseTo(norm, 12);
      for (const [name, decay] of [
        ["matrix", settings.weightDecay],
        ["vector", 0],
      ] as const) {
        const expected = expectedOf(settings, step, clip, decay, tensors[name]);
        for (const [kind, values] of Object.entries(expected)) {
          for (const [i, value] of (result.next.get(`next.${name}.${kind}`) ?? []).entries()) {
            expect(value, `${name}.${kind}[${i}] at step ${step}`).toBeCloseTo(values[i] ?? Number.NaN, 12);
          }
        }
      }
    }
  });
});
