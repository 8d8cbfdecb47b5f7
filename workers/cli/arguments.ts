/**
 * Reads command-line arguments; what is wrong with them becomes one clear line.
 *
 * @module
 */
import { type ParseArgsOptionsConfig, parseArgs } from "node:util";

/** Bad usage: one line on stderr, exit status 2. */
export class UsageError extends Error {}

export interface OptionSpec {
  /** `boolean` takes no value. */
  kind: "integer" | "text" | "boolean" | "url";
  help: string;
  min?: number;
  max?: number;
  /** Of a text: the only values it may have. */
  choices?: readonly string[];
}

export type Values = Record<string, string | number | boolean | undefined>;

/** Parses `args` by the options of a command. */
export function readArguments(args: string[], options: Record<string, OptionSpec>): Values {
  const config: ParseArgsOptionsConfig = Object.fromEntries(
    Object.entries(options).map(([name, { kind }]) => [
      name,
      { type: kind === "boolean" ? "boolean" : "string" },
    ]),
  );
  let raw: Record<string, unknown>;
  try {
    raw = parseArgs({ args, options: config, allowPositionals: false, strict: true }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error));
  }
  return Object.fromEntries(
    Object.entries(options).map(([name, spec]) => [name, value(name, spec, raw[name])]),
  );
}

/** A text option, or undefined. */
export const text = (value: Values[string]) => (typeof value === "string" ? value : undefined);
/** An integer option, or undefined. */
export const number = (value: Values[string]) => (typeof value === "number" ? value : undefined);

function value(name: string, spec: OptionSpec, raw: unknown): string | number | boolean | undefined {
  if (raw === undefined) return undefined;
  if (spec.kind === "boolean") return raw === true;
  const text = String(raw);
  if (spec.kind === "integer") return integer(name, spec, text);
  if (text === "") throw new UsageError(`--${name} needs a value`);
  if (spec.choices !== undefined && !spec.choices.includes(text))
    throw new UsageError(`--${name} must be one of ${spec.choices.join(", ")}, not "${text}"`);
  if (spec.kind === "url" && !URL.canParse(text))
    throw new UsageError(`--${name} must be a URL such as http://127.0.0.1:4650, not "${text}"`);
  return spec.kind === "url" ? text.replace(/\/+$/, "") : text;
}

function integer(name: string, { min = 0, max = Number.MAX_SAFE_INTEGER }: OptionSpec, text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < min || number > max) {
    throw new UsageError(`--${name} must be a whole number from ${min} to ${max}, not "${text}"`);
  }
  return number;
}
