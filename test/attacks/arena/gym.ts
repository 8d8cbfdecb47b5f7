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

  static async open(config: RunConfig, tokens: Uint16Array): Promise<Gym> {
    const trainers = Array.from({ length: TRAINERS }, () => createInnerLoop(config, tokens));
    return new Gym(
      await createLossModel(config.model, { batchSize: BATCH_SIZE }),
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
