/**
 * The training side of a worker thread: one model with its AdamW state, updated in place.
 *
 * @module
 */
import type { AdamwSettings, ModelSpec } from "../../schemas/model.ts";
import type { CheckedBatch } from "./batch.ts";
import { nextStateName, portNames, type StateKind, stateKinds, stateName, trainingGraph } from "./graphs.ts";
import { type Binding, type Device, openSession, type Session } from "./onnx-runtime.ts";
import { parameterCount, placedTensors } from "./parameters.ts";
import { biasCorrections } from "./schedule.ts";

/** Parameters and both AdamW moments, one flat vector each, [parameters]. */
export interface TrainerState<Buffer extends ArrayBufferLike = ArrayBufferLike> {
  parameters: Float32Array<Buffer>;
  m: Float32Array<Buffer>;
  v: Float32Array<Buffer>;
}

/** What one inner step tells. */
export interface StepReport {
  /** Mean loss of the batch before the update; not finite if the model has diverged. */
  loss: number;
  /** Global norm of the gradient before clipping. */
  gradientNorm: number;
}

/** The figures of one inner step. */
export interface StepOptions {
  learningRate: number;
  /** Number of this update for the bias correction, from 1. */
  step: number;
}

export interface TrainingEngineOptions {
  batchSize: number;
  threads?: number;
  /** False: new values go to arrays of their own and are copied back. Same bits, more memory: for tests. */
  inPlace?: boolean;
}

/** Owns the arrays that the training graph reads and writes. */
export class TrainingEngine {
  readonly #optimiser: AdamwSettings;
  readonly #session: Session;
  readonly #arrays: TrainingArrays;

  private constructor(optimiser: AdamwSettings, session: Session, arrays: TrainingArrays) {
    this.#optimiser = optimiser;
    this.#session = session;
    this.#arrays = arrays;
  }

  static async open(
    spec: ModelSpec,
    optimiser: AdamwSettings,
    options: TrainingEngineOptions,
  ): Promise<TrainingEngine> {
    const { batchSize, threads = 1, inPlace = true } = options;
    const arrays = allocate(spec, batchSize, inPlace);
    const { state, next, scalars, inputs, targets, mask, loss, gradientNorm } = arrays;
    const shape = [batchSize, spec.sequenceLength];
    const session = await openSession(trainingGraph(spec, optimiser, batchSize), {
      threads,
      inputs: [
        ...stateBindings(spec, state, stateName),
        { name: portNames.inputs, shape, data: inputs },
        { name: portNames.targets, shape, data: targets },
        { name: portNames.mask, shape, data: mask },
        { name: portNames.learningRate, shape: [], data: scalars.learningRate },
        { name: portNames.firstCorrection, shape: [], data: scalars.firstCorrection },
        { name: portNames.secondCorrection, shape: [], data: scalars.secondCorrection },
      ],
      outputs: [
        ...stateBindings(spec, next, nextStateName),
        { name: portNames.loss, shape: [], data: loss },
        { name: portNames.gradientNorm, shape: [], data: gradientNorm },
      ],
    });
    return new TrainingEngine(optimiser, session, arrays);
  }

  /** Replaces parameters and moments. */
  load(state: TrainerState): void {
    for (const kind of stateKinds) this.#arrays.state[kind].set(state[kind]);
  }

  /** Copies of parameters and moments. */
  read(): TrainerState<ArrayBuffer> {
    const { parameters, m, v } = this.#arrays.state;
    return { parameters: parameters.slice(), m: m.slice(), v: v.slice() };
  }

  /** One inner step on a full batch. */
  async step(batch: CheckedBatch, { learningRate, step }: StepOptions): Promise<StepReport> {
    const { state, next, scalars, inputs, targets, mask, loss, gradientNorm } = this.#arrays;
    const corrections = biasCorrections(this.#optimiser, step);
    inputs.set(batch.inputs);
    targets.set(batch.targets);
    mask.set(batch.mask);
    scalars.learningRate[0] = learningRate;
    scalars.firstCorrection[0] = corrections.first;
    scalars.secondCorrection[0] = corrections.second;
    await this.#session.run();
    if (next !== state) for (const kind of stateKinds) state[kind].set(next[kind]);
    return { loss: loss[0] ?? Number.NaN, gradientNorm: gradientNorm[0] ?? Number.NaN };
  }

  get device(): Device {
    return this.#session.device;
  }

  close(): Promise<void> {
    return this.#session.close();
  }
}

interface TrainingArrays {
  state: TrainerState<ArrayBuffer>;
  /** Where the new values go; the same object as `state` when the update is in place. */
  next: TrainerState<ArrayBuffer>;
  scalars: { learningRate: Float32Array; firstCorrection: Float32Array; secondCorrection: Float32Array };
  inputs: Int32Array;
  targets: Int32Array;
  mask: Float32Array;
  loss: Float32Array;
  gradientNorm: Float32Array;
}

function allocate(spec: ModelSpec, batchSize: number, inPlace: boolean): TrainingArrays {
  const parameters = parameterCount(spec);
  const tokens = batchSize * spec.sequenceLength;
  const scalar = () => new Float32Array(1);
  const vectors = (): TrainerState<ArrayBuffer> => ({
    parameters: new Float32Array(parameters),
    m: new Float32Array(parameters),
    v: new Float32Array(parameters),
  });
  const state = vectors();
  return {
    state,
    next: inPlace ? state : vectors(),
    scalars: { learningRate: scalar(), firstCorrection: scalar(), secondCorrection: scalar() },
    inputs: new Int32Array(tokens),
    targets: new Int32Array(tokens),
    mask: new Float32Array(tokens),
    loss: scalar(),
    gradientNorm: scalar(),
  };
}

function stateBindings(
  spec: ModelSpec,
  state: TrainerState,
  nameOf: (kind: StateKind, tensor: string) => string,
): Binding[] {
  return stateKinds.flatMap((kind) =>
    placedTensors(spec).map(({ name, shape, offset, size }) => ({
      name: nameOf(kind, name),
      shape,
      data: state[kind].subarray(offset, offset + size),
    })),
  );
}
