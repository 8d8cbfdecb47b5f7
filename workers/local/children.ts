/**
 * The child processes of `up`: started, watched, restarted when they die, stopped with the parent.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import type { WorkerEvent } from "../peer/events.ts";

/** The waits before restarts in a row: what is in the way, a full disk say, may be gone some seconds later. */
const RESTART_DELAYS_MS = [200, 800, 3_200, 12_800];
/** After a life this long, a death is the first in a row again. */
const STEADY_MS = 30_000;
const STOP_PATIENCE_MS = 5_000;

/** Exit status of a child that was started wrongly: starting it again would not help. */
const MISUSED = 2;

export interface ChildSpec {
  /** `peer-1`, `coordinator`, … */
  name: string;
  /** Script and arguments. */
  args: string[];
  /** Where its standard error goes. */
  logFile: string;
  /** True for a child whose work has an end; any other one is restarted even if it ends well. */
  ends: boolean;
  env: NodeJS.ProcessEnv;
}

export interface Children {
  start(spec: ChildSpec): void;
  /** Resolves once the named child has ended by itself with success. Rejects when it is beyond restarting. */
  done(name: string): Promise<void>;
  /** Resolves once it has said that it is ready. Rejects as `done` does. */
  ready(name: string): Promise<void>;
  stop(): Promise<void>;
}

interface Child {
  spec: ChildSpec;
  process: ChildProcess;
  startedMs: number;
  /** Restarts in a row, each after a life too short to count. */
  restarts: number;
  ready: PromiseWithResolvers<void>;
  done: PromiseWithResolvers<void>;
}

export interface ChildrenOptions {
  onEvent: (name: string, event: WorkerEvent) => void;
  onNote: (text: string) => void;
  /** The waits before restarts in a row. */
  restartDelaysMs?: readonly number[];
}

export function createChildren({
  onEvent,
  onNote,
  restartDelaysMs = RESTART_DELAYS_MS,
}: ChildrenOptions): Children {
  const children = new Map<string, Child>();
  let stopping = false;

  function launch(spec: ChildSpec): ChildProcess {
    mkdirSync(dirname(spec.logFile), { recursive: true });
    const child = spawn(process.execPath, ["--max-semi-space-size=4", ...spec.args], {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      env: spec.env,
      // A group of its own: Ctrl-C reaches the parent alone, which then stops the children in order.
      detached: true,
    });
    const log = createWriteStream(spec.logFile, { flags: "a" });
    // A full disk must not take the run along: the log ends, once with a word, the child goes on.
    log.once("error", (error) => onNote(`the log of ${spec.name} ends here: ${error.message}`));
    log.on("error", () => {});
    child.stderr?.pipe(log);
    child.on("error", (error) => onNote(`${spec.name} could not be started: ${error.message}`));
    child.on("message", (message) => {
      const event = message as WorkerEvent;
      if (event.kind === "ready") children.get(spec.name)?.ready.resolve();
      onEvent(spec.name, event);
    });
    child.on("exit", (code, signal) => ended(spec.name, child, code, signal));
    return child;
  }

  function ended(
    name: string,
    process: ChildProcess,
    code: number | null,
    signal: NodeJS.Signals | null,
  ): void {
    const child = children.get(name);
    if (child === undefined || child.process !== process) return;
    if (stopping) return;
    if (code === 0 && child.spec.ends) {
      child.done.resolve();
      return;
    }
    const how = signal === null ? `exit ${code}` : signal;
    if (code === MISUSED) {
      fail(child, `${name} could not start: ${lastLine(child.spec.logFile)}`);
      return;
    }
    const next = nextRestart(child.restarts, performance.now() - child.startedMs, restartDelaysMs);
    if (next === null) {
      onNote(`${name} ended (${how}), ${child.restarts} restarts did not help: see ${child.spec.logFile}`);
      fail(child, `${name} ended (${how}): ${lastLine(child.spec.logFile)}`);
      return;
    }
    child.restarts = next.restarts;
    onNote(
      `${name} ended (${how}): restarting it in ${next.delayMs / 1000} s, ${next.restarts} of ${restartDelaysMs.length}`,
    );
    setTimeout(() => {
      if (stopping) return;
      child.startedMs = performance.now();
      child.process = launch(child.spec);
    }, next.delayMs);
  }

  return {
    start(spec) {
      const [ready, done] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      // Nobody may be waiting for this child: its failure is noted above.
      for (const { promise } of [ready, done]) promise.catch(() => {});
      const startedMs = performance.now();
      children.set(spec.name, { spec, process: launch(spec), startedMs, restarts: 0, ready, done });
    },
    done: (name) => children.get(name)?.done.promise ?? Promise.resolve(),
    ready: (name) => children.get(name)?.ready.promise ?? Promise.resolve(),
    async stop() {
      stopping = true;
      await Promise.all([...children.values()].map(({ process }) => stopProcess(process)));
    },
  };
}

/**
 * The restart after a death: the how manyth in a row it is, and the wait before it.
 *
 * @param restarts - restarts in a row before this death
 * @param livedMs - how long the child lived since the last of them
 * @returns null if it has been tried often enough
 */
export function nextRestart(
  restarts: number,
  livedMs: number,
  delaysMs: readonly number[] = RESTART_DELAYS_MS,
): { restarts: number; delayMs: number } | null {
  const before = livedMs >= STEADY_MS ? 0 : restarts;
  const delayMs = delaysMs[before];
  return delayMs === undefined ? null : { restarts: before + 1, delayMs };
}

function fail({ ready, done }: Child, message: string): void {
  for (const { reject } of [ready, done]) reject(new Error(message));
}

/** The last thing a child had to say. */
function lastLine(logFile: string): string {
  try {
    return readFileSync(logFile, "utf8").trim().split("\n").at(-1) || `nothing in ${logFile}`;
  } catch {
    return `${logFile} cannot be read`;
  }
}

async function stopProcess(process: ChildProcess): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => process.once("exit", () => resolve()));
  process.kill("SIGTERM");
  const timer = setTimeout(() => process.kill("SIGKILL"), STOP_PATIENCE_MS);
  await ended;
  clearTimeout(timer);
}
