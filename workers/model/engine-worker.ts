/**
 * Entry point of a worker thread: opens the engine it was started for and answers calls one after the other.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { isOuterloopError, OuterloopError } from "../../schemas/errors.ts";
import type { CallMessage, EngineCalls, EngineTask, ErrorParts, ReplyMessage } from "./engine-messages.ts";
import { EvaluationEngine } from "./evaluation-engine.ts";
import { TrainingEngine } from "./training-engine.ts";

type Reply = EngineCalls[keyof EngineCalls]["reply"];

const port = parentPort;
if (port === null) throw new OuterloopError("engine-thread", "engine-worker.ts runs only as a worker thread");

// Our own main thread is the only sender, and its types are those of engine-messages.ts.
const opening = open(workerData as EngineTask);
let last: Promise<void> = opening.then(
  () => {},
  () => {},
);
port.on("message", (call: CallMessage) => {
  last = last.then(() => respond(call));
});

async function open(task: EngineTask): Promise<TrainingEngine | EvaluationEngine> {
  return task.kind === "train"
    ? TrainingEngine.open(task.spec, task.optimiser, task)
    : EvaluationEngine.open(task.spec, task);
}

async function respond(call: CallMessage): Promise<void> {
  try {
    const reply = await answer(call);
    send({ id: call.id, ok: true, reply }, buffersOf(reply));
  } catch (error) {
    send({ id: call.id, ok: false, error: errorParts(error) }, []);
  }
  if (call.kind === "close") port?.close();
}

async function answer(call: CallMessage): Promise<Reply> {
  if (call.kind === "close") {
    const engine = await opening.catch(() => null);
    await engine?.close();
    return null;
  }
  const engine = await opening;
  if (call.kind === "open") return engine.device;
  return engine instanceof TrainingEngine ? train(engine, call) : evaluate(engine, call);
}

async function train(engine: TrainingEngine, call: CallMessage): Promise<Reply> {
  switch (call.kind) {
    case "load":
      engine.load(call.request);
      return null;
    case "step":
      return engine.step(call.request.batch, call.request.options);
    case "read":
      return engine.read();
    default:
      throw unanswerable(call);
  }
}

async function evaluate(engine: EvaluationEngine, call: CallMessage): Promise<Reply> {
  if (call.kind !== "losses") throw unanswerable(call);
  return engine.losses(call.request.parameters, call.request.batch);
}

function unanswerable(call: CallMessage): OuterloopError {
  return new OuterloopError("engine-call", `this engine does not answer calls of kind ${call.kind}`);
}

function send(message: ReplyMessage, transfer: ArrayBuffer[]): void {
  port?.postMessage(message, transfer);
}

function buffersOf(reply: Reply): ArrayBuffer[] {
  if (reply instanceof Float32Array) return [reply.buffer];
  if (reply !== null && "parameters" in reply)
    return [reply.parameters.buffer, reply.m.buffer, reply.v.buffer];
  return [];
}

function errorParts(error: unknown): ErrorParts {
  if (isOuterloopError(error))
    return { code: error.code, message: error.message, details: { ...error.details } };
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: "engine-failed", message: `the model engine failed: ${message}`, details: {} };
}
