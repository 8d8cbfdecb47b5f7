/**
 * Functions as they are deployed: bundled with SST's settings, in a folder with nothing else, in a process of their own.
 *
 * @module
 */
import { type ChildProcess, fork } from "node:child_process";
import { cp, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { copiedFiles, esbuildOptions, type FunctionName } from "../../../../infra/bundle.ts";

const ROOT = fileURLToPath(new URL("../../../..", import.meta.url));
const RUNTIME = fileURLToPath(new URL("runtime.mjs", import.meta.url));

/** Builds a function into a folder, as SST does before it zips that. */
export async function bundleFunction(name: FunctionName, folder: string): Promise<void> {
  await build({ ...esbuildOptions(name, folder), absWorkingDir: ROOT, logLevel: "silent" });
  for (const { from, to } of copiedFiles(name)) {
    await mkdir(dirname(join(folder, to)), { recursive: true });
    await cp(join(ROOT, from), join(folder, to), { recursive: true });
  }
}

/** A line of a function's log. */
export interface LogLine {
  level: string;
  message: string;
  requestId?: string;
  details?: Record<string, unknown>;
}

export interface LambdaProcess {
  /** Calls the handler; rejects when it throws, or when its process ends. One call at a time, as on Lambda. */
  invoke(event: unknown): Promise<unknown>;
  /** Ends it and returns its log; lines that are no JSON have the level `TEXT`. */
  stop(): Promise<LogLine[]>;
}

/** The process of a function ended by itself. */
export class FunctionEnded extends Error {
  readonly log: readonly LogLine[];

  constructor(message: string, log: readonly LogLine[]) {
    super(message);
    this.log = log;
  }
}

/** Starts a bundle in its folder. Rejects with a {@link FunctionEnded} when it cannot be imported. */
export async function startLambda(
  folder: string,
  environment: Record<string, string>,
): Promise<LambdaProcess> {
  const log: LogLine[] = [];
  const child = fork(RUNTIME, [join(folder, "bundle.mjs")], {
    cwd: folder,
    env: environment,
    execArgv: [],
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const errors: string[] = [];
  let unfinished = "";
  child.stdout?.on("data", (data) => {
    const lines = `${unfinished}${data}`.split("\n");
    unfinished = lines.pop() ?? "";
    log.push(...lines.map(lineOf));
  });
  child.stderr?.on("data", (data) => errors.push(String(data)));
  const ended = new Promise<never>((_, reject) => {
    child.once("close", (status) => {
      reject(new FunctionEnded(`the function ended (${status}): ${errors.join("")}`, log));
    });
  });
  ended.catch(() => {});
  await Promise.race([answerOf(child), ended]);

  let requests = 0;
  return {
    async invoke(event) {
      const answer = answerOf(child);
      requests += 1;
      child.send({ event, context: { awsRequestId: `request-${requests}` } });
      const { answer: value, error } = (await Promise.race([answer, ended])) as {
        answer?: unknown;
        error?: string;
      };
      if (error !== undefined) throw new Error(error);
      return value;
    },
    async stop() {
      child.kill("SIGKILL");
      await ended.catch(() => {});
      return log;
    },
  };
}

function answerOf(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve) => child.once("message", resolve));
}

function lineOf(line: string): LogLine {
  try {
    return JSON.parse(line);
  } catch {
    return { level: "TEXT", message: line };
  }
}
