/**
 * The `outerloop` command.
 *
 * @module
 */
import { createRequire } from "node:module";
import { type OptionSpec, readArguments, UsageError, type Values } from "./arguments.ts";
import { MISUSED, runUntilStopped } from "./lifetime.ts";

interface Command {
  summary: string;
  options: Record<string, OptionSpec>;
  /** Modules are loaded by the command that needs them: `status` must not wait for a training runtime. */
  run: (values: Values) => Promise<number>;
}

const DEFAULT_DATA_DIR = ".outerloop";
const dataDir: OptionSpec = { kind: "text", help: `folder of runs, keys and states (${DEFAULT_DATA_DIR})` };
const coordinator: OptionSpec = { kind: "url", help: "URL of the coordinator" };
const run: OptionSpec = { kind: "text", help: "run id (the newest one)" };

const text = (value: Values[string]) => (typeof value === "string" ? value : undefined);
const number = (value: Values[string]) => (typeof value === "number" ? value : undefined);

const commands: Record<string, Command> = {
  up: {
    summary: "train a small model with several peers on this machine, every part a process of its own",
    options: {
      rounds: { kind: "integer", min: 1, max: 100_000, help: "rounds of the run (20)" },
      peers: { kind: "integer", min: 1, max: 64, help: "peers, saboteurs included (5)" },
      saboteurs: {
        kind: "integer",
        min: 0,
        max: 64,
        help: "how many of them flip the sign of their updates (1)",
      },
      evaluators: { kind: "integer", min: 1, max: 8, help: "evaluators (1)" },
      seed: { kind: "text", help: "derives every key and draw from this: the same seed, the same run" },
      "data-dir": dataDir,
      port: { kind: "integer", min: 1, max: 65_535, help: "port of API and page (4650, or a free one)" },
      json: { kind: "boolean", help: "one JSON object on stdout, progress on stderr" },
      keep: { kind: "boolean", help: "go on serving the page when the run has finished" },
    },
    run: async (values) => {
      const peers = number(values.peers) ?? 5;
      const saboteurs = number(values.saboteurs);
      if (saboteurs !== undefined && saboteurs >= peers) {
        throw new UsageError(
          `--saboteurs ${saboteurs} leaves nobody honest among ${peers} peers: --peers counts all of them`,
        );
      }
      const { up } = await import("../local/up.ts");
      return runUntilStopped((signal) =>
        up(
          {
            rounds: number(values.rounds),
            peers: number(values.peers),
            saboteurs,
            evaluators: number(values.evaluators),
            seed: text(values.seed),
            dataDir: text(values["data-dir"]) ?? DEFAULT_DATA_DIR,
            port: number(values.port),
            json: values.json === true,
            keep: values.keep === true,
          },
          signal,
        ),
      );
    },
  },
  coordinator: {
    summary: "serve the newest run of a data folder: API, page and functions",
    options: { "data-dir": dataDir, port: { kind: "integer", min: 1, max: 65_535, help: "port (4650)" } },
    run: async (values) => {
      const { coordinatorCommand } = await import("../local/coordinator-command.ts");
      return runUntilStopped((signal) =>
        coordinatorCommand(
          { dataDir: text(values["data-dir"]) ?? DEFAULT_DATA_DIR, port: number(values.port) ?? 4650 },
          signal,
        ),
      );
    },
  },
  peer: {
    summary: "train for a run",
    options: {
      coordinator,
      run,
      "data-dir": { ...dataDir, help: "key and state of this peer (.outerloop-peer)" },
    },
    run: async (values) => {
      const { peerCommand } = await import("../peer/command.ts");
      return runUntilStopped((signal) => peerCommand(workerOptions(values, ".outerloop-peer"), signal));
    },
  },
  evaluator: {
    summary: "judge updates for a run",
    options: {
      coordinator,
      run,
      "data-dir": { ...dataDir, help: "key of this evaluator (.outerloop-evaluator)" },
    },
    run: async (values) => {
      const { evaluatorCommand } = await import("../evaluator/command.ts");
      return runUntilStopped((signal) =>
        evaluatorCommand(workerOptions(values, ".outerloop-evaluator"), signal),
      );
    },
  },
  status: {
    summary: "where a run is, what it waits for and until when; the coordinator may be down",
    options: {
      "data-dir": dataDir,
      coordinator: { ...coordinator, help: "ask this coordinator instead of reading a folder" },
      run,
      json: { kind: "boolean", help: "the whole status as JSON" },
    },
    run: async (values) => {
      const { statusCommand } = await import("./status.ts");
      return runUntilStopped(() =>
        statusCommand({
          dataDir: text(values["data-dir"]) ?? DEFAULT_DATA_DIR,
          coordinator: text(values.coordinator),
          run: text(values.run),
          json: values.json === true,
        }),
      );
    },
  },
};

function workerOptions(values: Values, folder: string) {
  const url = text(values.coordinator);
  if (url === undefined) throw new UsageError("--coordinator URL is needed: who serves the run?");
  return { coordinator: url, run: text(values.run), dataDir: text(values["data-dir"]) ?? folder };
}

/** Runs a command line; returns the exit status. Bad usage: one line, status 2. */
export async function main(argv: string[]): Promise<number> {
  const [name = "help", ...args] = argv;
  if (name === "--version" || name === "version") {
    process.stdout.write(`${createRequire(import.meta.url)("../../package.json").version}\n`);
    return 0;
  }
  if (name === "help" || name === "--help" || name === "-h") return help(args[0]);
  const command = commands[name];
  if (command === undefined) {
    process.stderr.write(`outerloop: no command "${name}"; try: outerloop help\n`);
    return MISUSED;
  }
  if (args.includes("--help") || args.includes("-h")) return help(name);
  try {
    return await command.run(readArguments(args, command.options));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`outerloop ${name}: ${error.message}\n`);
    return MISUSED;
  }
}

function help(name: string | undefined): number {
  const command = name === undefined ? undefined : commands[name];
  const rows: [string, string][] =
    command === undefined
      ? Object.entries(commands).map(([title, { summary }]) => [title, summary])
      : Object.entries(command.options).map(([option, { help }]) => [`--${option}`, help]);
  const width = Math.max(...rows.map(([title]) => title.length));
  const head =
    command === undefined ? "outerloop COMMAND [options]" : `outerloop ${name} [options]: ${command.summary}`;
  process.stdout.write(
    `${[head, "", ...rows.map(([title, what]) => `  ${title.padEnd(width)}  ${what}`)].join("\n")}\n`,
  );
  return 0;
}
