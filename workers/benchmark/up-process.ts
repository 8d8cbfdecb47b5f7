/**
 * `outerloop up --json` as a process of its own, started as anybody would.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { OuterloopError, type RunResult, runResult } from "../../schemas/index.ts";
import type { WorkerEvent } from "../peer/events.ts";

const bin = fileURLToPath(new URL("../../bin/outerloop.js", import.meta.url));

export interface UpProcess {
  /** Besides `up --json`. */
  args: readonly string[];
  env?: NodeJS.ProcessEnv;
  /** Stops it. */
  signal?: AbortSignal | undefined;
  /** Gets what the run says on the way. */
  onLine: (line: string) => void;
  /** Gets what its workers report. */
  onEvent?: (event: WorkerEvent) => void;
  onStart?: (child: ChildProcess) => void;
}

/** Runs it to its end. Typed error `run-failed`. */
export async function runUp(options: UpProcess): Promise<RunResult> {
  const { args, env = process.env, signal, onLine, onEvent, onStart } = options;
  signal?.throwIfAborted();
  const child = spawn(process.execPath, [bin, "up", "--json", ...args], {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    env,
    // A group of its own: Ctrl-C reaches this process alone, which then stops the run in order.
    detached: true,
  });
  const stop = () => void child.kill("SIGTERM");
  signal?.addEventListener("abort", stop, { once: true });
  try {
    onStart?.(child);
    child.on("message", (event) => onEvent?.(event as WorkerEvent));
    let output = "";
    let said = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    // It is a pipe.
    createInterface({ input: child.stderr as Readable }).on("line", (line) => {
      said = line;
      if (line.startsWith("round ")) onLine(line);
    });
    const status = await endOf(child);
    signal?.throwIfAborted();
    if (status === 0) return runResult.parse(JSON.parse(output));
    throw new OuterloopError("run-failed", `outerloop up ended with status ${status}: ${said}`);
  } finally {
    signal?.removeEventListener("abort", stop);
    if (child.exitCode === null && child.signalCode === null) {
      const ended = endOf(child);
      stop();
      await ended;
    }
  }
}

function endOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code));
  });
}
