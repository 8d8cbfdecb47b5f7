/**
 * The processes of a run as a service manager keeps them: whatever dies is started again, however often.
 *
 * @module
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { WorkerEvent } from "../../workers/peer/events.ts";
import { BIN } from "../support/up.ts";

const RESTART_DELAY_MS = 200;
const STOP_PATIENCE_MS = 10_000;
/** A signal is obeyed at once, but not at the same moment. */
const STOPPED_WITHIN_MS = 1_000;

export interface ProcessSpec {
  name: string;
  /** Of the `outerloop` command. */
  args: readonly string[];
  env: NodeJS.ProcessEnv;
  /** True for a process whose work has an end: success is not followed by another start. */
  ends: boolean;
  /** Words before the command line: what puts the process into a network of its own. */
  prefix?: readonly string[];
}

/** An end that no blow of ours has caused. */
export interface OwnEnd {
  name: string;
  how: string;
  /** The last thing it said. */
  lastWords: string;
}

export interface Processes {
  /** Everything a worker has reported, by its name. */
  readonly events: ReadonlyMap<string, readonly WorkerEvent[]>;
  /** Every line on a process's stderr, by its name. */
  readonly lines: ReadonlyMap<string, readonly string[]>;
  readonly ownEnds: readonly OwnEnd[];
  /** Starts so far, by name. */
  readonly starts: ReadonlyMap<string, number>;
  /** Ids of all processes there ever were. */
  readonly pids: readonly number[];
  start(spec: ProcessSpec): void;
  /** SIGKILL; resolves when the process is gone. True: this is what it died of. */
  kill(name: string): Promise<boolean>;
  /** SIGSTOP, and SIGCONT after a while. True: it stood still. */
  suspend(name: string, seconds: number): Promise<boolean>;
  /** Resolves once a process whose work has an end has ended well. */
  done(name: string): Promise<void>;
  /** Resolves when nothing runs any more. */
  stop(): Promise<void>;
}

interface Kept {
  spec: ProcessSpec;
  /** Null between a death and the next start. */
  running: { child: ChildProcess; gone: Promise<NodeJS.Signals | null> } | null;
  isFinished: boolean;
  done: PromiseWithResolvers<void>;
}

export function createProcesses(logFolder: string): Processes {
  const all = new Map<string, Kept>();
  const events = new Map<string, WorkerEvent[]>();
  const lines = new Map<string, string[]>();
  const starts = new Map<string, number>();
  const ownEnds: OwnEnd[] = [];
  const pids: number[] = [];
  const killed = new WeakSet<ChildProcess>();
  let stopping = false;

  function launch(kept: Kept): void {
    const { name, args, env, prefix = [] } = kept.spec;
    const [program = "", ...words] = [...prefix, process.execPath, BIN, ...args];
    // Over the channel workers report, and by its end they learn that nobody is left to work for.
    const child = spawn(program, words, { stdio: ["ignore", "ignore", "pipe", "ipc"], env });
    if (child.pid !== undefined) pids.push(child.pid);
    starts.set(name, (starts.get(name) ?? 0) + 1);
    let lastWords = "";
    const log = createWriteStream(join(logFolder, `${name}.log`), { flags: "a" });
    child.stderr?.on("data", (data: Buffer) => {
      log.write(data);
      lastWords = (lastWords + data).slice(-2_000);
    });
    if (child.stderr) createInterface(child.stderr).on("line", (line) => lines.get(name)?.push(line));
    child.on("message", (event) => events.get(name)?.push(event as WorkerEvent));
    const gone = new Promise<NodeJS.Signals | null>((resolve) => {
      // After "exit" the last words may still be on their way.
      child.once("close", (code, signal) => {
        log.end();
        resolve(signal);
        ended(kept, child, code, signal, lastWords.trim());
      });
    });
    kept.running = { child, gone };
  }

  function ended(
    kept: Kept,
    child: ChildProcess,
    code: number | null,
    signal: NodeJS.Signals | null,
    lastWords: string,
  ): void {
    kept.running = null;
    if (stopping) return;
    if (code === 0 && kept.spec.ends) {
      kept.isFinished = true;
      kept.done.resolve();
      return;
    }
    if (!killed.has(child)) ownEnds.push({ name: kept.spec.name, how: signal ?? `exit ${code}`, lastWords });
    setTimeout(() => {
      if (!stopping) launch(kept);
    }, RESTART_DELAY_MS);
  }

  const of = (name: string): Kept => {
    const kept = all.get(name);
    if (kept === undefined) throw new Error(`no process ${name}`);
    return kept;
  };

  /** The process, once it runs (again); null: its work is done. */
  async function running(name: string): Promise<NonNullable<Kept["running"]> | null> {
    for (const kept = of(name); !kept.isFinished && !stopping; await sleep(20)) {
      if (kept.running !== null) return kept.running;
    }
    return null;
  }

  return {
    events,
    lines,
    ownEnds,
    starts,
    pids,
    start(spec) {
      const kept: Kept = { spec, running: null, isFinished: false, done: Promise.withResolvers() };
      all.set(spec.name, kept);
      events.set(spec.name, []);
      lines.set(spec.name, []);
      launch(kept);
    },
    async kill(name) {
      const victim = await running(name);
      if (victim === null) return false;
      killed.add(victim.child);
      victim.child.kill("SIGKILL");
      return (await victim.gone) === "SIGKILL";
    },
    async suspend(name, seconds) {
      const victim = await running(name);
      if (victim === null) return false;
      victim.child.kill("SIGSTOP");
      const hasStopped = await isStopped(victim.child);
      // Another blow may kill it meanwhile.
      await Promise.race([sleep(1_000 * seconds), victim.gone]);
      victim.child.kill("SIGCONT");
      return hasStopped;
    },
    done: (name) => of(name).done.promise,
    async stop() {
      stopping = true;
      await Promise.all([...all.values()].map(({ running }) => running && end(running)));
    },
  };
}

/** As the system sees it. */
async function isStopped({ pid }: ChildProcess): Promise<boolean> {
  for (const until = performance.now() + STOPPED_WITHIN_MS; performance.now() < until; await sleep(5)) {
    const { stdout } = spawnSync("ps", ["-o", "state=", "-p", `${pid}`], { encoding: "utf8" });
    if (stdout.startsWith("T")) return true;
  }
  return false;
}

async function end({ child, gone }: NonNullable<Kept["running"]>): Promise<void> {
  child.kill("SIGCONT");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_PATIENCE_MS);
  await gone;
  clearTimeout(timer);
}
