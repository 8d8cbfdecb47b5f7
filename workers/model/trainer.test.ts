import { spawnSync } from "node:child_process";
import { afterEach, describe, expect, it } from "vitest";
import type { ModelSpec } from "../../schemas/model.ts";
import { checkBatch } from "./batch.ts";
import { initialParameters } from "./initial-parameters.ts";
import { optimiser, quickStartSpec, randomBatch, seedOf, tinySpec, tinySpecs } from "./testing/fixtures.ts";
import { windowsAt } from "./tokens.ts";
import { createTrainer, type Trainer, type TrainerOptions, type TrainerState } from "./trainer.ts";
import { TrainingEngine } from "./training-engine.ts";

const opened: Trainer[] = [];
afterEach(async () => {
  for (const trainer of opened.splice(0)) await trainer.close();
});

function initialState(spec: ModelSpec): TrainerState {
  const parameters = initialParameters(spec, seedOf(1));
  return { parameters, m: new Float32Array(parameters.length), v: new Float32Array(parameters.length) };
}

async function loadedTrainer(spec: ModelSpec, options: TrainerOptions): Promise<Trainer> {
  const trainer = await createTrainer(spec, optimiser, options);
  opened.push(trainer);
  await trainer.load(initialState(spec));
  return trainer;
}

describe("a trainer", () => {
  it("gives the same bits in another thread, and with two threads to an operator", async () => {
    const states: TrainerState[] = [];
    for (const threads of [1, 1, 2]) {
      const trainer = await loadedTrainer(quickStartSpec, { batchSize: 4, threads });
      for (let step = 1; step <= 4; step++) {
        await trainer.step(randomBatch(quickStartSpec, 4, step), 3e-3, step);
      }
      states.push(await trainer.read());
    }
    expect(sameBits(states[1], states[0])).toBe(true);
    expect(sameBits(states[2], states[0])).toBe(true);
    expect(sameBits(initialState(quickStartSpec), states[0])).toBe(false);
  });

  it.each([...tinySpecs, ["the quick-start model", quickStartSpec] as const])(
    "updates in place with the bits of a double-buffered update (%s)",
    async (_, spec) => {
      const states: TrainerState[] = [];
      for (const inPlace of [true, false]) {
        const engine = await TrainingEngine.open(spec, optimiser, { batchSize: 2, inPlace });
        engine.load(initialState(spec));
        for (let step = 1; step <= 5; step++) {
          const batch = checkBatch(spec, randomBatch(spec, 2, step, true));
          await engine.step(batch, { learningRate: 0.01, step });
        }
        states.push(engine.read());
        await engine.close();
      }
      expect(sameBits(states[1], states[0])).toBe(true);
    },
  );

  it("learns a repeating pattern", async () => {
    const spec = { ...tinySpec, width: 16, feedForward: 32, sequenceLength: 12 };
    const trainer = await loadedTrainer(spec, { batchSize: 4 });
    const text = Uint16Array.from({ length: 200 }, (_, index) => [3, 1, 4, 1, 5, 9][index % 6] ?? 0);
    const losses: number[] = [];
    for (let step = 1; step <= 150; step++) {
      const starts = [0, 1, 2, 3].map((sequence) => (7 * step + sequence) % 100);
      losses.push((await trainer.step(windowsAt(text, starts, 12), 0.02, step)).loss);
    }
    expect(losses[0]).toBeCloseTo(Math.log(spec.vocabulary), 1);
    expect(losses.at(-1)).toBeLessThan(0.15);
  });

  it("reads back what was loaded, and leaves the caller its vectors", async () => {
    const trainer = await loadedTrainer(tinySpec, { batchSize: 1 });
    const state = { parameters: initialParameters(tinySpec, seedOf(9)), ...moments(0.25) };
    await trainer.load(state);
    expect(await trainer.read()).toEqual(state);
  });

  it("does not block the event loop while it computes", async () => {
    const trainer = await loadedTrainer(
      { ...quickStartSpec, width: 128, feedForward: 512 },
      { batchSize: 32 },
    );
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const started = performance.now();
    await trainer.step(randomBatch(quickStartSpec, 32, 1), 1e-3, 1);
    const elapsed = performance.now() - started;
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(Math.min(20, elapsed / 10));
  });

  it("shows a diverged model as a loss that is not finite", async () => {
    const trainer = await loadedTrainer(tinySpec, { batchSize: 1 });
    const state = initialState(tinySpec);
    state.parameters.fill(Number.NaN);
    await trainer.load(state);
    expect(await trainer.step(randomBatch(tinySpec, 1, 1), 0.1, 1)).toEqual({ loss: NaN, gradientNorm: NaN });
  });

  it("answers calls in the order in which they are made", async () => {
    const trainer = await loadedTrainer(tinySpec, { batchSize: 1 });
    const batch = randomBatch(tinySpec, 1, 1);
    const [before, , after] = await Promise.all([
      trainer.read(),
      trainer.step(batch, 0.1, 1),
      trainer.read(),
    ]);
    expect(sameBits(before, initialState(tinySpec))).toBe(true);
    expect(sameBits(after, before)).toBe(false);
  });
});

describe("a trainer refuses", () => {
  it("batches, states and step numbers that do not fit, and works on", async () => {
    const trainer = await loadedTrainer(tinySpec, { batchSize: 2 });
    const fitting = randomBatch(tinySpec, 2, 1);
    const wrongTokens = { ...fitting, inputs: fitting.inputs.map(() => 11) };
    await expect(trainer.step(wrongTokens, 0.1, 1)).rejects.toMatchObject({ code: "token-out-of-range" });
    await expect(trainer.step(randomBatch(tinySpec, 3, 1), 0.1, 1)).rejects.toMatchObject({
      code: "batch-size",
    });
    await expect(trainer.step(fitting, 0.1, 0)).rejects.toMatchObject({ code: "step-number" });
    const short = { ...initialState(tinySpec), m: new Float32Array(3) };
    await expect(trainer.load(short)).rejects.toMatchObject({ code: "parameter-length" });
    await expect(trainer.step(fitting, 0.1, 1)).resolves.toMatchObject({ loss: expect.any(Number) });
  });

  it("every call after its end, which may come twice", async () => {
    const trainer = await loadedTrainer(tinySpec, { batchSize: 1 });
    const lastStep = trainer.step(randomBatch(tinySpec, 1, 1), 0.1, 1);
    await Promise.all([trainer.close(), trainer.close()]);
    await expect(lastStep).resolves.toMatchObject({ loss: expect.any(Number) });
    await expect(trainer.read()).rejects.toMatchObject({ name: "OuterloopError", code: "engine-closed" });
  });

  it("a model too large for the machine, with a typed error from the thread", async () => {
    const huge = { ...tinySpec, vocabulary: 1_000_000, width: 65_536 };
    await expect(createTrainer(huge, optimiser, { batchSize: 1 })).rejects.toMatchObject({
      name: "OuterloopError",
      code: "engine-failed",
    });
  });

  it("a batch size of nothing", async () => {
    const empty = createTrainer(tinySpec, optimiser, { batchSize: 0 });
    await expect(empty).rejects.toMatchObject({ code: "engine-options" });
  });
});

it("a process that forgets to close its trainer still ends", () => {
  const fixture = new URL("./testing/fixtures.ts", import.meta.url).href;
  const trainer = new URL("./trainer.ts", import.meta.url).href;
  const script = `
    import { optimiser, tinySpec, randomBatch } from "${fixture}";
    import { createTrainer } from "${trainer}";
    const trainer = await createTrainer(tinySpec, optimiser, { batchSize: 1 });
    await trainer.step(randomBatch(tinySpec, 1, 1), 0.1, 1);
    console.log("stepped");`;
  const { status, stdout } = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
    encoding: "utf8",
    timeout: 20_000,
  });
  expect({ status, stdout }).toEqual({ status: 0, stdout: "stepped\n" });
});

function moments(value: number): Pick<TrainerState, "m" | "v"> {
  const { m, v } = initialState(tinySpec);
  return { m: m.fill(value), v: v.fill(value) };
}

function sameBits(a: TrainerState | undefined, b: TrainerState | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  return (["parameters", "m", "v"] as const).every((kind) => bits(a[kind]).equals(bits(b[kind])));
}

function bits(vector: Float32Array): Buffer {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);
}
