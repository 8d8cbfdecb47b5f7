/**
 * What the main thread and the worker thread of an engine say to each other.
 *
 * Vectors travel as transferred buffers: the sender gives them away, and nothing is shared.
 *
 * @module
 */
import type { AdamwSettings, ModelSpec } from "../../schemas/model.ts";
import type { CheckedBatch } from "./batch.ts";
import type { Device } from "./onnx-runtime.ts";
import type { StepOptions, StepReport, TrainerState } from "./training-engine.ts";

/** What a worker thread is started for. */
export type EngineTask =
  | { kind: "train"; spec: ModelSpec; optimiser: AdamwSettings; batchSize: number; threads: number }
  | { kind: "evaluate"; spec: ModelSpec; batchSize: number; threads: number };

/** Question and answer by kind of call. */
export interface EngineCalls {
  /** Answered once the session is open. */
  open: { request: null; reply: Device };
  load: { request: TrainerState; reply: null };
  step: { request: { batch: CheckedBatch; options: StepOptions }; reply: StepReport };
  read: { request: null; reply: TrainerState<ArrayBuffer> };
  losses: { request: { parameters: Float32Array; batch: CheckedBatch }; reply: Float32Array<ArrayBuffer> };
  /** The last call; the worker thread ends after its answer. */
  close: { request: null; reply: null };
}

export type CallKind = keyof EngineCalls;

/** Main thread -> worker. */
export type CallMessage = {
  [Kind in CallKind]: { id: number; kind: Kind; request: EngineCalls[Kind]["request"] };
}[CallKind];

/** Worker -> main thread; an error travels as its parts, because a clone would lose its class. */
export type ReplyMessage =
  | { id: number; ok: true; reply: EngineCalls[CallKind]["reply"] }
  | { id: number; ok: false; error: ErrorParts };

export interface ErrorParts {
  code: string;
  message: string;
  details: Record<string, unknown>;
}
