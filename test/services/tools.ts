/**
 * The programs that build the services: found, or missed with a word on what to install; run with their output in a log.
 *
 * @module
 */
import { spawn, spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { OuterloopError } from "../../schemas/index.ts";

const OR_DOCKER = "or start both services with Docker instead: `docker compose up` in the project's folder";
const LAST_LINES = 15;

/** Typed error `go-missing`. */
export function findGo(): string {
  if (spawnSync("go", ["version"]).status === 0) return "go";
  throw new OuterloopError(
    "go-missing",
    "MinIO is built from its Go module, and there is no `go` on the PATH: install Go 1.24 or newer " +
      `(https://go.dev/dl, or the package golang), ${OR_DOCKER}`,
  );
}

const PYTHONS = ["python3", "python3.13", "python3.12", "python3.11"];

/** Typed error `python-missing`. */
export function findPython(): string {
  const isFit = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))";
  const found = PYTHONS.find((name) => spawnSync(name, ["-c", isFit]).status === 0);
  if (found !== undefined) return found;
  throw new OuterloopError(
    "python-missing",
    `LocalStack runs on Python 3.11 or newer with its module venv, and none of ${PYTHONS.join(", ")} on the PATH ` +
      `is that: install it (Debian: the packages python3 and python3-venv), ${OR_DOCKER}`,
    { looked: PYTHONS },
  );
}

export interface ToolOptions {
  env?: NodeJS.ProcessEnv;
  logFile: string;
  signal: AbortSignal;
}

/** Runs a program to its end. Typed error `install-failed` with the last lines it printed. */
export async function runTool(
  command: string,
  args: string[],
  { env = process.env, logFile, signal }: ToolOptions,
): Promise<void> {
  const log = openSync(logFile, "a");
  const child = spawn(command, args, { env, signal, stdio: ["ignore", log, log] });
  closeSync(log);
  const outcome = await new Promise<string>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, killedBy) => resolve(killedBy ?? `exit ${code}`));
  });
  if (outcome === "exit 0") return;
  throw new OuterloopError(
    "install-failed",
    `\`${command} ${args[0]}\` ended with ${outcome}; see ${logFile}, ${OR_DOCKER}\n${lastLines(logFile)}`,
    { command, args, outcome, logFile },
  );
}

/** What a log ends with: the reason is mostly there. */
export function lastLines(logFile: string): string {
  try {
    return readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-LAST_LINES).join("\n");
  } catch {
    return `(${logFile} cannot be read)`;
  }
}
