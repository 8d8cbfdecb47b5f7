/**
 * Where everybody trains and everything is scored: the project's own graphs, one trainer. What was
 * trained before from the same state on the same windows is remembered: attackers that are kept out change nothing, and the
 * honest need not train again to show it.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { type RunConfig, toHex } from "../../../schemas/index.ts";
import { createLossModel, type LossModel } from "../../../workers/model/index.ts";
import {
  createInnerLoop,
  type InnerLoop,
  type TrainingResult,
  type TrainingTask,
} from "../../../workers/peer/inner-loop.ts";

const TRAINERS = 1;
/** Parameters whose losses are kept: those of a round of some dozens of keys. */
const PARAMETERS_REMEMBERED = 128;
/** Sequences in one forward pass. */
const BATCH_SIZE = 8;

export class Gym {
  readonly model: LossModel;
  readonly #free: InnerLoop[];
  readonly #queue: ((trainer: InnerLoop) => void)[] = [];
  readonly #known = new Map<string, TrainingResult>();
  /** True: results are kept for later runs. */
  remembers = false;
  trained = 0;
  recalled = 0;

  private constructor(model: LossModel, trainers: InnerLoop[]) {
    this.model = model;
    this.#free = trainers;
  }

  /** `remembersLosses`: second opinions cost nothing (they do, if what judging costs is to be measured). */
  static async open(
    config: RunConfig,
    tokens: Uint16Array,
    options: { remembersLosses?: boolean } = {},
  ): Promise<Gym> {
    const trainers = Array.from({ length: TRAINERS }, () => createInnerLoop(config, tokens));
    const model = await createLossModel(config.model, { batchSize: BATCH_SIZE });
    return new Gym(
      options.remembersLosses === false ? model : remembering(model, config.model.sequenceLength),
      await Promise.all(trainers),
    );
  }

  /** Everything of an earlier seed is of no use any more. */
  forget(): void {
    this.#known.clear();
  }

  async train(task: TrainingTask): Promise<TrainingResult> {
    const name = nameOf(task);
    const known = this.#known.get(name);
    if (known !== undefined) {
      this.recalled++;
      return known;
    }
    const trainer = this.#free.pop() ?? (await new Promise<InnerLoop>((take) => this.#queue.push(take)));
    try {
      const result = await trainer.train(task);
      this.trained++;
      if (this.remembers) this.#known.set(name, result);
      return result;
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#free.push(trainer);
      else next(trainer);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.model.close(), ...this.#free.map((trainer) => trainer.close())]);
  }
}

/** What several evaluators ask alike is computed once, sequence by sequence: each has private ones beside those of the job. */
function remembering(model: LossModel, sequenceLength: number): LossModel {
  const known = new Map<string, Map<string, number>>();
  return {
    ...model,
    async losses(parameters, { inputs, targets }) {
      const name = hashOf(parameters);
      const losses = known.get(name) ?? new Map<string, number>();
      known.set(name, losses);
      for (const oldest of known.keys()) {
        if (known.size <= PARAMETERS_REMEMBERED) break;
        known.delete(oldest);
      }
      const rows = Array.from({ length: inputs.length / sequenceLength }, (_, i) => {
        const [from, to] = [i * sequenceLength, (i + 1) * sequenceLength];
        const row = { inputs: inputs.slice(from, to), targets: targets.slice(from, to) };
        return { ...row, name: hashOf(row.inputs) };
      });
      const fresh = rows.filter((row) => !losses.has(row.name));
      if (fresh.length > 0) {
        const computed = await model.losses(parameters, {
          inputs: joined(fresh.map((row) => row.inputs)),
          targets: joined(fresh.map((row) => row.targets)),
        });
        for (const [i, row] of fresh.entries()) losses.set(row.name, computed[i] ?? Number.NaN);
      }
      return Float32Array.from(rows, (row) => losses.get(row.name) ?? Number.NaN);
    },
  };
}

function joined(rows: readonly Int32Array[]): Int32Array {
  return Int32Array.from(rows.flatMap((row) => [...row]));
}

function hashOf(vector: Float32Array | Int32Array): string {
  const bytes = new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
  return createHash("sha256").update(bytes).digest("base64");
}

/** What the result depends on. */
function nameOf({ start, position, windows, config }: TrainingTask): string {
  const hash = createHash("sha256");
  for (const vector of [start.parameters, start.m, start.v])
    hash.update(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength));
  hash.update(
    JSON.stringify([start.innerSteps, config.inner, windows.assigned(position).map(windows.firstToken)]),
  );
  return toHex(hash.digest());
}
