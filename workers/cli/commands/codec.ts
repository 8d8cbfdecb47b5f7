/**
 * `outerloop codec encode`, `decode` and `inspect`.
 *
 * @module
 */
import { number, type OptionSpec, text, UsageError, type Values } from "../arguments.ts";
import { type Command, refuse } from "../command.ts";
import { runToEnd, runUntilStopped } from "../lifetime.ts";

const keep: OptionSpec = {
  kind: "text",
  choices: ["16", "32", "64", "128", "256"],
  help: "entries kept of each chunk of 4096 (64)",
};
const rawRecords: OptionSpec = {
  kind: "boolean",
  help: "records without the container, for a tensor of any length",
};
const keepOf = (values: Values) => Number(text(values.k) ?? 64) as 16 | 32 | 64 | 128 | 256;

export const codecEncode: Command = {
  summary: "compress a pseudo-gradient with error feedback: update and new error state, as files",
  options: {
    delta: {
      kind: "text",
      help: "pseudo-gradient: raw little-endian float32, one tensor, or a .safetensors file",
    },
    error: { kind: "text", help: "error state before, raw little-endian float32 (zeros)" },
    beta: { kind: "text", help: "decay of the error state, 0 to 1 (0.95)" },
    k: keep,
    round: { kind: "integer", max: 2 ** 32 - 1, help: "number of the round in the container (0)" },
    out: { kind: "text", help: "file for the update" },
    "error-out": { kind: "text", help: "file for the error state after (not kept)" },
    "raw-records": rawRecords,
  },
  run: async (values) => {
    const beta = Number(text(values.beta) ?? 0.95);
    if (!(beta >= 0 && beta <= 1))
      throw new UsageError(`--beta must be a number from 0 to 1, not "${values.beta}"`);
    const options = {
      delta: needed(values, "delta", "which tensor is to be compressed?"),
      error: text(values.error),
      beta,
      k: keepOf(values),
      round: number(values.round) ?? 0,
      out: needed(values, "out", "where is the update to go?"),
      errorOut: text(values["error-out"]),
      rawRecords: values["raw-records"] === true,
    };
    const { encode } = await import("../codec/codec.ts");
    const { withProgress } = await import("../codec/progress.ts");
    return runUntilStopped(
      (signal) => withProgress(process.stderr, (onProgress) => encode(options, { onProgress, signal })),
      { misused: "non-finite-value" },
    );
  },
};

export const codecDecode: Command = {
  summary: "the dense values of an update, as raw little-endian float32",
  options: {
    in: { kind: "text", help: "file with the update" },
    out: { kind: "text", help: "file for the values" },
    "raw-records": rawRecords,
    elements: { kind: "integer", min: 1, max: 2 ** 40, help: "with --raw-records: elements of the tensor" },
    k: { ...keep, help: "with --raw-records: entries kept of each chunk of 4096 (64)" },
  },
  run: async (values) => {
    const bare = values["raw-records"] === true;
    const elements = number(values.elements);
    if (!bare) refuse(values, ["elements", "k"], "goes with --raw-records: a container says so itself");
    if (bare && elements === undefined)
      throw new UsageError("--elements is needed: records do not say how long their tensor is");
    const options = {
      in: needed(values, "in", "which update?"),
      out: needed(values, "out", "where are the values to go?"),
      bare: bare && elements !== undefined ? { elements, k: keepOf(values) } : undefined,
    };
    const { decode } = await import("../codec/codec.ts");
    const { withProgress } = await import("../codec/progress.ts");
    return runUntilStopped((signal) =>
      withProgress(process.stderr, (onProgress) => decode(options, { onProgress, signal })),
    );
  },
};

export const codecInspect: Command = {
  summary: "an update in words: header, tensors, first records",
  positional: "in",
  options: {
    in: { kind: "text", help: "file with the update; --in may be left out" },
    json: { kind: "boolean", help: "as JSON" },
  },
  run: async (values) => {
    const path = needed(values, "in", "which update?");
    const { inspect, inspectedText } = await import("../codec/inspect.ts");
    return runToEnd(async () => {
      const inspected = await inspect(path);
      process.stdout.write(
        `${values.json === true ? JSON.stringify(inspected) : inspectedText(path, inspected)}\n`,
      );
    });
  },
};

function needed(values: Values, name: string, question: string): string {
  const value = text(values[name]);
  if (value === undefined) throw new UsageError(`--${name} is needed: ${question}`);
  return value;
}
