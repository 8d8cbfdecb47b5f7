import { afterEach, describe, expect, it } from "vitest";
import type { ModelSpec } from "../../schemas/model.ts";
import type { Batch } from "./batch.ts";
import { initialParameters } from "./initial-parameters.ts";
import { createLossModel, type LossModel, type LossModelOptions } from "./loss-model.ts";
import { optimiser, quickStartSpec, randomBatch, seedOf, tinySpec } from "./testing/fixtures.ts";
import { createTrainer } from "./trainer.ts";

const opened: LossModel[] = [];
afterEach(async () => {
  for (const model of opened.splice(0)) await model.close();
});

async function lossModel(spec: ModelSpec, options: LossModelOptions): Promise<LossModel> {
  const model = await createLossModel(spec, options);
  opened.push(model);
  return model;
}

/** Sequences `first` to `last` (not included) of a batch. */
function sequencesOf(spec: ModelSpec, batch: Required<Batch>, first: number, last: number): Required<Batch> {
  const range = [first * spec.sequenceLength, last * spec.sequenceLength] as const;
  return {
    inputs: batch.inputs.subarray(...range),
    targets: batch.targets.subarray(...range),
    mask: batch.mask.subarray(...range),
  };
}

const parameters = initialParameters(quickStartSpec, seedOf(1)).map((value) => 3 * value);
const batch = randomBatch(quickStartSpec, 13, 1, true);

describe("losses", () => {
  it("have the same bits in any block, at any place in it, with any neighbours and threads", async () => {
    const reference = await (await lossModel(quickStartSpec, { batchSize: 13 })).losses(parameters, batch);
    for (const options of [
      { batchSize: 1 },
      { batchSize: 4 },
      { batchSize: 8, threads: 2 },
      { batchSize: 16 },
    ]) {
      const model = await lossModel(quickStartSpec, options);
      expect(await model.losses(parameters, batch)).toEqual(reference);
    }
    const model = await lossModel(quickStartSpec, { batchSize: 8 });
    const tail = sequencesOf(quickStartSpec, batch, 5, 13);
    expect(await model.losses(parameters, tail)).toEqual(reference.subarray(5));
  });

  it("leave masked predictions out of the mean", async () => {
    const model = await lossModel(tinySpec, { batchSize: 2 });
    const weights = initialParameters(tinySpec, seedOf(1)).map((value) => 10 * value);
    const whole = randomBatch(tinySpec, 1, 1);
    const lossOf = async (counts: (t: number) => boolean) => {
      const mask = whole.mask.map((_, t) => (counts(t) ? 1 : 0));
      return (await model.losses(weights, { ...whole, mask }))[0] ?? Number.NaN;
    };
    const single: number[] = [];
    for (let t = 0; t < tinySpec.sequenceLength; t++) single.push(await lossOf((at) => at === t));
    const [first = 0, second = 0, third = 0] = single;
    expect(await lossOf((t) => t < 3)).toBeCloseTo((first + second + third) / 3, 6);
    const { inputs, targets } = whole;
    expect((await model.losses(weights, { inputs, targets }))[0]).toBe(await lossOf(() => true));
  });

  it("do not depend on tokens that come later", async () => {
    const model = await lossModel(tinySpec, { batchSize: 1 });
    const weights = initialParameters(tinySpec, seedOf(1)).map((value) => 10 * value);
    const early = { ...randomBatch(tinySpec, 1, 1), mask: Float32Array.of(1, 1, 1, 0, 0) };
    const changed = { ...early, inputs: early.inputs.map((token, t) => (t < 3 ? token : (token + 1) % 11)) };
    expect(await model.losses(weights, changed)).toEqual(await model.losses(weights, early));
  });

  it("average to the loss that the trainer reports", async () => {
    const model = await lossModel(tinySpec, { batchSize: 2 });
    const trainer = await createTrainer(tinySpec, optimiser, { batchSize: 3 });
    const weights = initialParameters(tinySpec, seedOf(1));
    const zeros = () => new Float32Array(weights.length);
    await trainer.load({ parameters: weights, m: zeros(), v: zeros() });
    const three = randomBatch(tinySpec, 3, 1);
    const { loss } = await trainer.step(three, 0, 1);
    await trainer.close();
    const losses = await model.losses(weights, three);
    expect(losses.reduce((sum, value) => sum + value, 0) / 3).toBeCloseTo(loss, 5);
  });

  it("that are not finite are returned as they are, and only where they arise", async () => {
    const model = await lossModel(tinySpec, { batchSize: 2 });
    const weights = initialParameters(tinySpec, seedOf(1));
    weights.fill(Number.NaN, 0, tinySpec.width); // the embedding of token 0
    const two = randomBatch({ ...tinySpec, vocabulary: 10 }, 2, 1);
    const inputs = two.inputs.map((token, at) => (at < tinySpec.sequenceLength ? 0 : token + 1));
    const [first, second] = await model.losses(weights, { ...two, inputs });
    expect(first).toBeNaN();
    expect(second).toBeCloseTo(Math.log(tinySpec.vocabulary), 1);
  });

  it("need parameters of this model and tokens of its vocabulary", async () => {
    const model = await lossModel(tinySpec, { batchSize: 2 });
    const weights = initialParameters(tinySpec, seedOf(1));
    await expect(model.losses(weights.subarray(1), randomBatch(tinySpec, 1, 1))).rejects.toMatchObject({
      code: "parameter-length",
    });
    await expect(model.losses(weights, randomBatch(quickStartSpec, 5, 1))).rejects.toMatchObject({
      code: "token-out-of-range",
    });
  });
});
