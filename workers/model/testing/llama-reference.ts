/**
 * The same Llama once more, as plain loops in float64: slow, without gradients, and sharing no code with the
 * graph. The tests hold the two against each other.
 *
 * @module
 */
import type { ModelSpec } from "../../../schemas/model.ts";
import { embeddingName, finalNormName, headName, layerNames } from "../../../schemas/tensors.ts";
import { namedViews } from "../parameters.ts";

type Vector = number[];

/** Loss of each prediction of one sequence: tokens [T] and targets [T] -> [T]. */
export function referenceLosses(
  spec: ModelSpec,
  parameters: Float32Array,
  tokens: Int32Array,
  targets: Int32Array,
): number[] {
  const views = namedViews(spec, parameters);
  const { width, heads, keyValueHeads, layers } = spec;
  const size = width / heads;
  const row = (name: string, index: number, length: number): Vector =>
    Array.from(views.get(name)?.subarray(index * length, (index + 1) * length) ?? []);
  const apply = (name: string, x: Vector): Vector => {
    const rows = (views.get(name)?.length ?? 0) / x.length;
    return Array.from({ length: rows }, (_, r) => dot(row(name, r, x.length), x));
  };
  const norm = (name: string, x: Vector): Vector => {
    const root = Math.sqrt(dot(x, x) / width + spec.normEpsilon);
    return x.map((value, i) => (value / root) * (views.get(name)?.[i] ?? Number.NaN));
  };
  const turned = (x: Vector, position: number): Vector =>
    x.map((value, i) => {
      const pair = i % (size / 2);
      const angle = position * spec.ropeBase ** ((-2 * pair) / size);
      const partner = x[(i + size / 2) % size] ?? Number.NaN;
      return value * Math.cos(angle) + (i < size / 2 ? -partner : partner) * Math.sin(angle);
    });
  const head = (x: Vector, h: number): Vector => x.slice(h * size, (h + 1) * size);

  let streams = Array.from(tokens, (token) => row(embeddingName, token, width));
  for (let layer = 0; layer < layers; layer++) {
    const names = layerNames(layer);
    const normal = streams.map((x) => norm(names.attentionNorm, x));
    const [queries, keys, values] = [names.query, names.key, names.value].map((name) =>
      normal.map((x) => apply(name, x)),
    );
    streams = streams.map((stream, t) => {
      const attended = Array.from({ length: heads }, (_, h) => {
        const keyHead = Math.floor((h * keyValueHeads) / heads);
        const query = turned(head(queries?.[t] ?? [], h), t);
        const scores = (keys ?? [])
          .slice(0, t + 1)
          .map((key, s) => Math.exp(dot(query, turned(head(key, keyHead), s)) / Math.sqrt(size)));
        const sum = scores.reduce((a, b) => a + b, 0);
        return Array.from(
          { length: size },
          (_, i) =>
            dot(
              scores,
              (values ?? []).slice(0, t + 1).map((value) => head(value, keyHead)[i] ?? 0),
            ) / sum,
        );
      }).flat();
      return plus(stream, apply(names.attentionOutput, attended));
    });
    streams = streams.map((stream) => {
      const x = norm(names.feedForwardNorm, stream);
      const up = apply(names.up, x);
      const inner = apply(names.gate, x).map((gate, i) => (gate / (1 + Math.exp(-gate))) * (up[i] ?? 0));
      return plus(stream, apply(names.down, inner));
    });
  }
  return streams.map((stream, t) => {
    const logits = apply(spec.tiedHead ? embeddingName : headName, norm(finalNormName, stream));
    const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
    return Math.log(sum) - (logits[targets[t] ?? -1] ?? Number.NaN);
  });
}

function dot(a: Vector, b: Vector): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? Number.NaN), 0);
}

function plus(a: Vector, b: Vector): Vector {
  return a.map((value, i) => value + (b[i] ?? Number.NaN));
}
