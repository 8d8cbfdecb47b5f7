/**
 * The child processes of `up`: started, watched, restarted when they die, stopped with the parent.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type { WorkerEvent } from "../peer/events.ts";

const MAX_RESTARTS = 3;
const STOP_PATIENCE_MS = 5_000;
const RESTART_DELAY_MS = 200;

export interface ChildSpec {
  /** `peer-1`, `coordinator`, … */
  name: string;
  /** Script and arguments. */
  args: string[];
  /** Where its standard error goes. */
  logFile: string;
}

export interface Children {
  start(spec: ChildSpec): void;
  /** Process ids by name, for whoever wants to look at them (or to kill one). */
  pids(): Record<string, number>;
  /** Resolves once the named child has ended by itself with success. Rejects when it is beyond restarting. */
  done(name: string): Promise<void>;
  stop(): Promise<void>;
}

interface Child {
  spec: ChildSpec;
  process: ChildProcess;
  restarts: number;
  settle: { resolve: () => void; reject: (error: Error) => void };
  done: Promise<void>;
}

export interface ChildrenOptions {
  onEvent: (name: string, event: WorkerEvent) => void;
  onNote: (text: string) => void;
  /** Environment of every child. */
  env: NodeJS.ProcessEnv;
}

export function createChildren({ onEvent, onNote, env }: ChildrenOptions): Children {
  const children = new Map<string, Child>();
  let stopping = false;

  function launch(spec: ChildSpec): ChildProcess {
    mkdirSync(dirname(spec.logFile), { recursive: true });
    const child = spawn(process.execPath, ["--max-semi-space-size=4", ...spec.args], {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      env,
      // A group of its own: Ctrl-C reaches the parent alone, which then stops the children in order.
      detached: true,
    });
    child.stderr?.pipe(createWriteStream(spec.logFile, { flags: "a" }));
    child.on("message", (event) => onEvent(spec.name, event as WorkerEvent));
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
    if (code === 0) child.settle.resolve();
    if (code === 0 || stopping) return;
    const how = signal === null ? `exit ${code}` : signal;
    if (child.restarts >= MAX_RESTARTS) {
      onNote(
        `${name} ended (${how}) and was restarted ${MAX_RESTARTS} times already: see ${child.spec.logFile}`,
      );
      child.settle.reject(new Error(`${name} ended (${how}); see ${child.spec.logFile}`));
      return;
    }
    child.restarts++;
    onNote(`${name} ended (${how}): restarting it, ${child.restarts} of ${MAX_RESTARTS}`);
    setTimeout(() => {
      if (!stopping) child.process = launch(child.spec);
    }, RESTART_DELAY_MS);
  }

  return {
    start(spec) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      // Nobody may be waiting for this child: its failure is noted above.
      promise.catch(() => {});
      children.set(spec.name, {
        spec,
        process: launch(spec),
        restarts: 0,
        settle: { resolve, reject },
        done: promise,
      });
    },
    pids: () => Object.fromEntries([...children].map(([name, child]) => [name, child.process.pid ?? 0])),
    done: (name) => children.get(name)?.done ?? Promise.resolve(),
    async stop() {
      stopping = true;
      await Promise.all([...children.values()].map(({ process }) => stopProcess(process)));
    },
  };
}

async function stopProcess(process: ChildProcess): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => process.once("exit", () => resolve()));
  process.kill("SIGTERM");
  const timer = setTimeout(() => process.kill("SIGKILL"), STOP_PATIENCE_MS);
  await ended;
  clearTimeout(timer);
}
