/**
 * Scoring parameters on text, in a thread of its own.
 *
 * @module
 */
import type { ModelSpec } from "../../schemas/model.ts";
import { type Batch, checkBatch } from "./batch.ts";
import { EngineClient } from "./engine-client.ts";
import type { Device } from "./onnx-runtime.ts";
import { checkLength } from "./parameters.ts";

/** The forward pass of one model, for any parameters. Calls run in the order in which they are made. */
export interface LossModel {
  /**
   * Mean loss of each sequence over its unmasked predictions, [sequences]. Any number of sequences: they run
   * in blocks of `batchSize`, the last one filled up with masked sequences.
   */
  losses(parameters: Float32Array, batch: Batch): Promise<Float32Array>;
  /** Where it computes, and why not on CUDA, if that was tried. */
  readonly device?: Device;
  /** Ends the thread after the calls in progress. */
  close(): Promise<void>;
}

export interface LossModelOptions {
  /** Sequences per block: more memory, less overhead. */
  batchSize: number;
  /** Threads that share one operator; 1 unless given. The result does not depend on it. */
  threads?: number;
}

/** Starts the thread and opens the loss graph. */
export async function createLossModel(
  spec: ModelSpec,
  { batchSize, threads = 1 }: LossModelOptions,
): Promise<LossModel> {
  const engine = await EngineClient.start({ kind: "evaluate", spec, batchSize, threads });
  return {
    async losses(parameters, batch) {
      checkLength(spec, parameters, "parameters");
      const checked = checkBatch(spec, batch);
      const copy = parameters.slice();
      const { inputs, targets, mask } = checked;
      const transfer = [copy.buffer, inputs.buffer, targets.buffer, mask.buffer];
      return engine.call("losses", { parameters: copy, batch: checked }, transfer);
    },
    close: () => engine.close(),
    device: engine.device,
  };
}
