import { describe, expect, it } from "vitest";
import { tensorsOf } from "../../schemas/tensors.ts";
import { initialParameters } from "./initial-parameters.ts";
import { namedViews, parameterCount, placedTensors } from "./parameters.ts";
import { quickStartSpec, seedOf, tinySpec, tinySpecs } from "./testing/fixtures.ts";

describe("parameters", () => {
  it("of the quick-start model number 418,656", () => {
    expect(parameterCount(quickStartSpec)).toBe(418_656);
  });

  it("stand in declared order under the names of Llama checkpoints", () => {
    expect(tensorsOf({ ...tinySpec, layers: 1, keyValueHeads: 2 })).toEqual([
      { name: "model.embed_tokens.weight", shape: [11, 8] },
      { name: "model.layers.0.input_layernorm.weight", shape: [8] },
      { name: "model.layers.0.self_attn.q_proj.weight", shape: [8, 8] },
      { name: "model.layers.0.self_attn.k_proj.weight", shape: [4, 8] },
      { name: "model.layers.0.self_attn.v_proj.weight", shape: [4, 8] },
      { name: "model.layers.0.self_attn.o_proj.weight", shape: [8, 8] },
      { name: "model.layers.0.post_attention_layernorm.weight", shape: [8] },
      { name: "model.layers.0.mlp.gate_proj.weight", shape: [6, 8] },
      { name: "model.layers.0.mlp.up_proj.weight", shape: [6, 8] },
      { name: "model.layers.0.mlp.down_proj.weight", shape: [8, 6] },
      { name: "model.norm.weight", shape: [8] },
      { name: "lm_head.weight", shape: [11, 8] },
    ]);
  });

  it("of a tied head are those of the embedding", () => {
    expect(parameterCount(tinySpec) - parameterCount({ ...tinySpec, tiedHead: true })).toBe(11 * 8);
  });

  it.each(tinySpecs)("lie end to end without gaps (%s)", (_, spec) => {
    let end = 0;
    for (const { offset, size } of placedTensors(spec)) {
      expect(offset).toBe(end);
      end += size;
    }
    expect(end).toBe(parameterCount(spec));
  });

  it("have views that share the vector's memory", () => {
    const flat = new Float32Array(parameterCount(tinySpec));
    namedViews(tinySpec, flat).get("model.norm.weight")?.fill(2);
    expect(flat.filter((value) => value === 2)).toHaveLength(tinySpec.width);
  });

  it("of another model are refused", () => {
    expect(() => namedViews(tinySpec, new Float32Array(3))).toThrowError(
      expect.objectContaining({ code: "parameter-length" }),
    );
  });
});

describe("initial parameters", () => {
  const views = namedViews(quickStartSpec, initialParameters(quickStartSpec, seedOf(1)));
  const view = (name: string) => Array.from(views.get(name) ?? []);
  const deviation = (values: number[]) =>
    Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);

  it("are a function of the seed, to the bit", () => {
    const again = initialParameters(quickStartSpec, seedOf(1));
    expect(again.subarray(0, 3)).toEqual(
      Float32Array.of(0.027824707329273224, -0.02029724046587944, 0.04058776795864105),
    );
    expect(initialParameters(quickStartSpec, seedOf(1))).toEqual(again);
    expect(initialParameters(quickStartSpec, seedOf(2))).not.toEqual(again);
  });

  it("have standard deviation 0.02, less where a projection writes to the residual stream", () => {
    const projection = (name: string) => view(`model.layers.2.${name}.weight`);
    expect(deviation(view("model.embed_tokens.weight"))).toBeCloseTo(0.02, 3);
    expect(deviation(projection("self_attn.q_proj"))).toBeCloseTo(0.02, 3);
    expect(deviation(projection("self_attn.o_proj"))).toBeCloseTo(0.02 / Math.sqrt(8), 3);
    expect(deviation(projection("mlp.down_proj"))).toBeCloseTo(0.02 / Math.sqrt(8), 3);
  });

  it("look normal: 68 % within one standard deviation, 95 % within two", () => {
    const table = view("model.embed_tokens.weight");
    const within = (limit: number) => table.filter((x) => Math.abs(x) < limit).length / table.length;
    expect(within(0.02)).toBeCloseTo(0.683, 2);
    expect(within(0.04)).toBeCloseTo(0.954, 2);
  });

  it("are 1 in the norms", () => {
    expect(view("model.norm.weight")).toEqual(Array(96).fill(1));
  });

  it("need a seed of 32 bytes", () => {
    expect(() => initialParameters(tinySpec, new Uint8Array(16))).toThrowError(
      expect.objectContaining({ code: "seed-length" }),
    );
  });
});
