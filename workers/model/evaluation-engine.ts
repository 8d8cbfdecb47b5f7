/**
 * The evaluating side of a worker thread: losses of any number of sequences, in blocks of one static shape.
 *
 * @module
 */
import type { ModelSpec } from "../../schemas/model.ts";
import type { CheckedBatch } from "./batch.ts";
import { lossGraph, portNames, stateName } from "./graphs.ts";
import { type Device, openSession, type Session } from "./onnx-runtime.ts";
import { parameterCount, placedTensors } from "./parameters.ts";

export interface EvaluationEngineOptions {
  /** Sequences per block. */
  batchSize: number;
  threads?: number;
}

/** Owns the arrays that the loss graph reads and writes. */
export class EvaluationEngine {
  readonly #session: Session;
  readonly #arrays: EvaluationArrays;

  private constructor(session: Session, arrays: EvaluationArrays) {
    this.#session = session;
    this.#arrays = arrays;
  }

  static async open(spec: ModelSpec, options: EvaluationEngineOptions): Promise<EvaluationEngine> {
    const { batchSize, threads = 1 } = options;
    const shape = [batchSize, spec.sequenceLength];
    const tokens = batchSize * spec.sequenceLength;
    const arrays: EvaluationArrays = {
      parameters: new Float32Array(parameterCount(spec)),
      inputs: new Int32Array(tokens),
      targets: new Int32Array(tokens),
      mask: new Float32Array(tokens),
      losses: new Float32Array(batchSize),
    };
    const tensors = placedTensors(spec).map(({ name, shape, offset, size }) => ({
      name: stateName("parameters", name),
      shape,
      data: arrays.parameters.subarray(offset, offset + size),
    }));
    const session = await openSession(lossGraph(spec, batchSize), {
      threads,
      probesCuda: true,
      inputs: [
        ...tensors,
        { name: portNames.inputs, shape, data: arrays.inputs },
        { name: portNames.targets, shape, data: arrays.targets },
        { name: portNames.mask, shape, data: arrays.mask },
      ],
      outputs: [{ name: portNames.sequenceLosses, shape: [batchSize], data: arrays.losses }],
    });
    return new EvaluationEngine(session, arrays);
  }

  /** Mean loss of each sequence, [sequences]; the last block is filled up with masked sequences of token 0. */
  async losses(parameters: Float32Array, batch: CheckedBatch): Promise<Float32Array<ArrayBuffer>> {
    const arrays = this.#arrays;
    arrays.parameters.set(parameters);
    const result = new Float32Array(batch.sequences);
    const sequencesPerBlock = arrays.losses.length;
    const tokensPerBlock = arrays.inputs.length;
    for (let first = 0; first < batch.sequences; first += sequencesPerBlock) {
      const start = (first / sequencesPerBlock) * tokensPerBlock;
      for (const name of ["inputs", "targets", "mask"] as const) {
        arrays[name].fill(0);
        arrays[name].set(batch[name].subarray(start, start + tokensPerBlock));
      }
      await this.#session.run();
      result.set(arrays.losses.subarray(0, batch.sequences - first), first);
    }
    return result;
  }

  get device(): Device {
    return this.#session.device;
  }

  close(): Promise<void> {
    return this.#session.close();
  }
}

interface EvaluationArrays {
  parameters: Float32Array;
  inputs: Int32Array;
  targets: Int32Array;
  mask: Float32Array;
  losses: Float32Array;
}
