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
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
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
  /** True: where nobody says which execution provider, CUDA is tried first. */
  probesCuda?: boolean;
}

/** A loaded model with its inputs and outputs in place. */
export interface Session {
  /** Reads the input arrays, computes, and writes the output arrays. */
  run(): Promise<void>;
  close(): Promise<void>;
  /** Where it computes, and why not on CUDA, if that was tried. */
  readonly device: Device;
}

export interface Device {
  provider: "cpu" | "cuda";
  note: string | null;
}

/** Loads a serialised model and binds every input and output to an array. */
export async function openSession(model: Uint8Array, options: SessionOptions): Promise<Session> {
  const { threads = 1, precision = "float32", probesCuda = false } = options;
  const create = (executionProviders: ("cuda" | "cpu")[]) =>
    InferenceSession.create(model, {
      executionProviders,
      intraOpNumThreads: threads,
      // Level `all` rewrites x * sigmoid(x) to an operator that exists in float32 only.
      graphOptimizationLevel: precision === "float64" ? "basic" : "all",
      // The arena keeps what it once held: without it the quick-start trainer takes 35 MiB less, at no cost in speed.
      enableCpuMemArena: false,
      enableMemPattern: false,
      // Several sessions share the cores: a thread that spins while it waits takes them from the others.
      extra: { session: { intra_op: { allow_spinning: "0" } } },
    });
  const { session, device } = await asRuntimeError("load the model", () =>
    onBestDevice(executionProviders(process.env.OUTERLOOP_EXECUTION_PROVIDER, probesCuda), create),
  );
  const feeds = Object.fromEntries(options.inputs.map((binding) => [binding.name, asTensor(binding)]));
  const fetches = Object.fromEntries(options.outputs.map((binding) => [binding.name, asTensor(binding)]));
  return {
    run: () => asRuntimeError("run the model", async () => void (await session.run(feeds, fetches))),
    close: () => asRuntimeError("release the model", () => session.release()),
    device,
  };
}

/**
 * `cpu`; `cuda`, which needs the runtime's CUDA libraries (what CUDA lacks then runs on the CPU); `auto`: CUDA where it can be
 * had, else the CPU. Nothing is `auto` or `cpu`. Typed error `invalid-option`.
 */
export function executionProviders(asked: string | undefined, probesCuda: boolean): "cpu" | "cuda" | "auto" {
  switch (asked) {
    case undefined:
    case "":
    case "auto":
      return probesCuda ? "auto" : "cpu";
    case "cpu":
    case "cuda":
      return asked;
    default:
      throw new OuterloopError(
        "invalid-option",
        `OUTERLOOP_EXECUTION_PROVIDER must be cpu, cuda or auto, not "${asked}"`,
      );
  }
}

/** Opens the session where it may be; whoever asked for CUDA by name wants to know that it is not there. */
export async function onBestDevice<Opened>(
  wanted: "cpu" | "cuda" | "auto",
  create: (providers: ("cuda" | "cpu")[]) => Promise<Opened>,
  hasCuda = cudaLibraries(),
): Promise<{ session: Opened; device: Device }> {
  if (wanted === "cpu") return { session: await create(["cpu"]), device: { provider: "cpu", note: null } };
  const onCuda = async () =>
    ({ session: await create(["cuda", "cpu"]), device: { provider: "cuda", note: null } }) as const;
  if (wanted === "cuda") return onCuda();
  let why = "this runtime has no CUDA libraries";
  if (hasCuda) {
    try {
      return await onCuda();
    } catch (error) {
      why = error instanceof Error ? error.message : String(error);
    }
  }
  const device: Device = { provider: "cpu", note: `computing on the CPU: ${why.split("\n")[0]}` };
  return { session: await create(["cpu"]), device };
}

/** Asking the runtime for what is not there makes it print an error. */
function cudaLibraries(): boolean {
  const entry = createRequire(import.meta.url).resolve("onnxruntime-node");
  const folder = join(dirname(entry), "..", "bin", "napi-v6", process.platform, process.arch);
  return existsSync(join(folder, "libonnxruntime_providers_cuda.so"));
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
