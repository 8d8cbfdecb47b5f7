/**
 * The `outerloop` command.
 *
 * @module
 */
import { createRequire } from "node:module";
import { isOuterloopError } from "../../schemas/index.ts";
import { readArguments, UsageError } from "./arguments.ts";
import type { Command } from "./command.ts";
import { codecDecode, codecEncode, codecInspect } from "./commands/codec.ts";
import { coordinator } from "./commands/coordinator.ts";
import { doctor } from "./commands/doctor.ts";
import { evaluator } from "./commands/evaluator.ts";
import { explain } from "./commands/explain.ts";
import { key } from "./commands/key.ts";
import { ledger } from "./commands/ledger.ts";
import { peer } from "./commands/peer.ts";
import { provision } from "./commands/provision.ts";
import { runControl } from "./commands/run-control.ts";
import { runCreate } from "./commands/run-create.ts";
import { simulate } from "./commands/simulate.ts";
import { status } from "./commands/status.ts";
import { up } from "./commands/up.ts";
import { MISUSED, oneLine } from "./lifetime.ts";

const commands: Record<string, Command> = {
  up,
  coordinator,
  peer,
  evaluator,
  status,
  explain,
  ledger,
  provision,
  doctor,
  "run create": runCreate,
  "run control": runControl,
  key,
  "codec encode": codecEncode,
  "codec decode": codecDecode,
  "codec inspect": codecInspect,
  simulate,
};

/** Runs a command line; returns the exit status. Bad usage: one line, status 2. */
export async function main(argv: string[]): Promise<number> {
  const [first = "help"] = argv;
  if (first === "--version" || first === "version") {
    process.stdout.write(`${createRequire(import.meta.url)("../../package.json").version}\n`);
    return 0;
  }
  if (first === "help" || first === "--help" || first === "-h") return help(argv.slice(1).join(" "));
  const { name, args } = split(argv);
  const command = commandOf(name);
  if (command === undefined) {
    const longer = Object.keys(commands).filter((title) => title.startsWith(`${name} `));
    if (longer.length > 0 && args.some((arg) => arg === "--help" || arg === "-h")) return help(name);
    const those = longer.length > 0 ? longer.map((title) => `outerloop ${title}`) : ["outerloop help"];
    process.stderr.write(`outerloop: no command "${name}"; try: ${those.join(", ")}\n`);
    return MISUSED;
  }
  if (args.includes("--help") || args.includes("-h")) return help(name);
  try {
    return await command.run(readArguments(named(command, args), command.options));
  } catch (error) {
    const misused = error instanceof UsageError || isOuterloopError(error, "invalid-option");
    if (!misused) throw error;
    process.stderr.write(`outerloop ${name}: ${oneLine(error.message)}\n`);
    return MISUSED;
  }
}

/** The arguments with the name of the option that may be left out. */
function named({ positional }: Command, args: string[]): string[] {
  return positional !== undefined && args[0]?.startsWith("-") === false ? [`--${positional}`, ...args] : args;
}

/** A command has one word, or two. */
function split(argv: string[]): { name: string; args: string[] } {
  const [first = "", second = "", ...rest] = argv;
  const two = `${first} ${second}`;
  return commandOf(two) !== undefined ? { name: two, args: rest } : { name: first, args: argv.slice(1) };
}

/** Not what every object has: `constructor` is no command. */
function commandOf(name: string): Command | undefined {
  return Object.hasOwn(commands, name) ? commands[name] : undefined;
}

function help(name: string): number {
  const command = commandOf(name);
  const under = Object.entries(commands).filter(([title]) => title.startsWith(`${name} `));
  const rows: [string, string][] =
    command === undefined
      ? (under.length > 0 ? under : Object.entries(commands)).map(([title, { summary }]) => [title, summary])
      : Object.entries(command.options).map(([option, { help }]) => [`--${option}`, help]);
  const width = Math.max(...rows.map(([title]) => title.length));
  const head =
    command === undefined ? "outerloop COMMAND [options]" : `outerloop ${name} [options]: ${command.summary}`;
  process.stdout.write(
    `${[head, "", ...rows.map(([title, what]) => `  ${title.padEnd(width)}  ${what}`)].join("\n")}\n`,
  );
  return 0;
}
