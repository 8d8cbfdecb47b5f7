/**
 * The main thread's side of an engine: starts the worker thread, matches answers to calls, ends it.
 *
 * @module
 */
import { Worker } from "node:worker_threads";
import { OuterloopError } from "../../schemas/errors.ts";
import type { CallKind, EngineCalls, EngineTask, ReplyMessage } from "./engine-messages.ts";
import type { Device } from "./onnx-runtime.ts";

const engineWorker = new URL("./engine-worker.ts", import.meta.url);

interface PendingCall {
  resolve(reply: unknown): void;
  reject(error: OuterloopError): void;
}

/** Calls are answered in the order in which they are made. */
export class EngineClient {
  readonly #worker: Worker;
  readonly #pending = new Map<number, PendingCall>();
  readonly #exited: Promise<void>;
  #calls = 0;
  /** Where it computes. */
  device: Device = { provider: "cpu", note: null };
  #closing: Promise<void> | undefined;
  #stopped: OuterloopError | undefined;

  private constructor(task: EngineTask, entry: URL) {
    this.#worker = new Worker(entry, {
      workerData: task,
      name: `model-${task.kind}`,
      // Loaders and flags of a test runner are not meant for this thread.
      execArgv: [],
      // The thread's own objects are few; V8's default of 48 MiB for the young ones would fill with garbage.
      resourceLimits: { maxYoungGenerationSizeMb: 2 },
    });
    this.#worker.on("message", (message: ReplyMessage) => this.#settle(message));
    this.#worker.on("error", (error) => this.#stop(`failed: ${error.message}`, error));
    this.#exited = new Promise((resolve) => {
      this.#worker.on("exit", (code) => {
        this.#stop(`ended with exit code ${code}`);
        resolve();
      });
    });
  }

  /** Resolves when the session is open; on failure the thread has ended. `entry` is another script in tests only. */
  static async start(task: EngineTask, entry = engineWorker): Promise<EngineClient> {
    for (const option of ["batchSize", "threads"] as const) {
      if (Number.isInteger(task[option]) && task[option] >= 1) continue;
      throw new OuterloopError(
        "engine-options",
        `${option} must be a whole number from 1, got ${task[option]}`,
      );
    }
    const client = new EngineClient(task, entry);
    try {
      client.device = await client.call("open", null);
      return client;
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  /** Sends a call; the buffers in `transfer` belong to the worker thread from here on. */
  call<Kind extends CallKind>(
    kind: Kind,
    request: EngineCalls[Kind]["request"],
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<EngineCalls[Kind]["reply"]> {
    if (this.#closing !== undefined) {
      return Promise.reject(
        new OuterloopError("engine-closed", `cannot ${kind}: the model engine was closed`),
      );
    }
    return this.#send(kind, request, transfer);
  }

  /** Lets calls in progress finish, then ends the thread. May be called more than once. */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    // A thread that has failed cannot answer; its exit is all there is to wait for.
    if (this.#stopped === undefined) await this.#send("close", null, []).catch(() => {});
    this.#worker.ref();
    await this.#exited;
  }

  #send<Kind extends CallKind>(
    kind: Kind,
    request: EngineCalls[Kind]["request"],
    transfer: readonly ArrayBuffer[],
  ): Promise<EngineCalls[Kind]["reply"]> {
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped);
    const id = this.#calls++;
    // The worker answers a call of one kind with the reply of that kind: engine-messages.ts is the contract.
    const answered = new Promise<EngineCalls[Kind]["reply"]>((resolve, reject) => {
      this.#pending.set(id, { resolve: (reply) => resolve(reply as EngineCalls[Kind]["reply"]), reject });
    });
    // Only work in progress keeps the process alive.
    this.#worker.ref();
    this.#worker.postMessage({ id, kind, request }, transfer);
    return answered;
  }

  #settle(message: ReplyMessage): void {
    const call = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if (this.#pending.size === 0 && this.#closing === undefined) this.#worker.unref();
    if (message.ok) call?.resolve(message.reply);
    else call?.reject(new OuterloopError(message.error.code, message.error.message, message.error.details));
  }

  #stop(how: string, cause?: Error): void {
    this.#stopped ??= new OuterloopError("engine-stopped", `the model engine's thread ${how}`, {}, cause);
    for (const call of this.#pending.values()) call.reject(this.#stopped);
    this.#pending.clear();
  }
}
