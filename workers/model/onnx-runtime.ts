/**
 * The one module that imports onnxruntime-node (pinned to 1.30.0; measure again before an upgrade).
 *
 * `run` computes inside one turn of the event loop and blocks it, so product code opens sessions only in a
 * worker thread. On the CPU the runtime works directly on the memory of the arrays bound here: an input may be
 * changed between runs, and an output may share its array with an input. Arrays over a SharedArrayBuffer are
 * refused by the runtime.
 *
 * @module
 */
import { InferenceSession, Tensor } from "onnxruntime-node";
import { OuterloopError } from "../../schemas/errors.ts";
import type { Precision } from "./graph.ts";

/** An array that is the memory of one input or output. */
export interface Binding {
  name: string;
  shape: readonly number[];
  data: Float32Array | Float64Array | Int32Array;
}

export interface SessionOptions {
  inputs: readonly Binding[];
  outputs: readonly Binding[];
  /** Threads that share one operator; 1 unless given. */
  threads?: number;
  /** Must be the precision of the graph; float32 unless given. */
  precision?: Precision;
}

/** A loaded model with its inputs and outputs in place. */
export interface Session {
  /** Reads the input arrays, computes, and writes the output arrays. */
  run(): Promise<void>;
  close(): Promise<void>;
}

/** Loads a serialised model and binds every input and output to an array. */
export async function openSession(model: Uint8Array, options: SessionOptions): Promise<Session> {
  const { threads = 1, precision = "float32" } = options;
  const session = await asRuntimeError("load the model", () =>
    InferenceSession.create(model, {
      executionProviders: executionProviders(process.env.OUTERLOOP_EXECUTION_PROVIDER),
      intraOpNumThreads: threads,
      // Level `all` rewrites x * sigmoid(x) to an operator that exists in float32 only.
      graphOptimizationLevel: precision === "float64" ? "basic" : "all",
      // The arena keeps what it once held: without it the quick-start trainer takes 35 MiB less, at no cost in speed.
      enableCpuMemArena: false,
      enableMemPattern: false,
      // Several sessions share the cores: a thread that spins while it waits takes them from the others.
      extra: { session: { intra_op: { allow_spinning: "0" } } },
    }),
  );
  const feeds = Object.fromEntries(options.inputs.map((binding) => [binding.name, asTensor(binding)]));
  const fetches = Object.fromEntries(options.outputs.map((binding) => [binding.name, asTensor(binding)]));
  return {
    run: () => asRuntimeError("run the model", async () => void (await session.run(feeds, fetches))),
    close: () => asRuntimeError("release the model", () => session.release()),
  };
}

/**
 * `cpu` (or nothing), or `cuda`, which needs the runtime's CUDA libraries; what CUDA lacks then runs on the CPU. Typed
 * error `invalid-option`.
 */
export function executionProviders(asked: string | undefined): ("cuda" | "cpu")[] {
  switch (asked) {
    case undefined:
    case "":
    case "cpu":
      return ["cpu"];
    case "cuda":
      return ["cuda", "cpu"];
    default:
      throw new OuterloopError(
        "invalid-option",
        `OUTERLOOP_EXECUTION_PROVIDER must be cpu or cuda, not "${asked}"`,
      );
  }
}

function asTensor({ data, shape }: Binding): Tensor {
  if (data instanceof Int32Array) return new Tensor("int32", data, shape);
  if (data instanceof Float64Array) return new Tensor("float64", data, shape);
  return new Tensor("float32", data, shape);
}

async function asRuntimeError<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OuterloopError("model-runtime", `onnxruntime could not ${what}: ${reason}`, {}, error);
  }
}
