/**
 * One server program: started and awaited, killed, restarted at the same address, and never left behind.
 *
 * It leads a process group, so that a signal reaches whatever it started. It ends with the process that started it, kill
 * -9 included: a shell waits at the other end of a pipe, and a pipe whose writer is gone ends.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { OuterloopError } from "../../schemas/index.ts";
import { freePort, HOST, requireFree } from "./free-port.ts";
import { lastLines } from "./tools.ts";

const READY_WITHIN_MS = 120_000;
const ASK_AGAIN_MS = 50;
const ANSWER_WITHIN_MS = 2_000;
const STOP_PATIENCE_MS = 5_000;

export interface Place {
  /** 127.0.0.1 alone. */
  port: number;
  /** Data, settings and log; absolute. */
  folder: string;
}

export interface ServerSpec {
  /** `MinIO` or `LocalStack`, for messages. */
  name: string;
  /** Chosen if absent. */
  port?: number | undefined;
  /** Kept when the server stops; a temporary one if absent, removed then. */
  folder?: string | undefined;
  command: (place: Place) => { program: string; args: string[]; env: Record<string, string> };
  /** Path of the page that tells how the server is, and whether its answer means "ready". */
  health: { path: string; isReady: (answer: Response) => Promise<boolean> };
}

export interface Server extends Place {
  endpoint: string;
  /** Everything it printed. */
  logFile: string;
  /** Resolves, with the reason, if the server ends without having been told to. */
  died: Promise<OuterloopError>;
  /** Ends it by a signal to its group, SIGKILL unless given; resolves when it is gone. */
  kill(signal?: "SIGKILL" | "SIGTERM"): Promise<void>;
  /** Starts it on the same port and folder, after stopping it if it runs; resolves when it is ready. */
  restart(): Promise<void>;
  /** Ends it for good, politely if it listens. Safe to call twice. */
  stop(): Promise<void>;
}

/** Starts a server; resolves when it is ready. Typed errors `port-taken`, `server-not-ready`. */
export async function startServer(spec: ServerSpec): Promise<Server> {
  const { name, command, health } = spec;
  const port = spec.port ?? (await freePort());
  const folder = resolve(spec.folder ?? (await mkdtemp(join(tmpdir(), `outerloop-${name.toLowerCase()}-`))));
  mkdirSync(folder, { recursive: true });
  const logFile = join(folder, "server.log");
  const endpoint = `http://${HOST}:${port}`;
  const death = Promise.withResolvers<OuterloopError>();
  let running: Running | null = null;

  async function start(): Promise<void> {
    await requireFree(port, name);
    const current = launch(command({ port, folder }), folder, logFile);
    running = current;
    const failure = current.ended.then((how) => ({ how }));
    for (const deadline = performance.now() + READY_WITHIN_MS; ; ) {
      const outcome = await Promise.race([failure, isReady()]);
      if (outcome === true) break;
      if (outcome !== false || performance.now() > deadline) {
        await end("SIGKILL");
        const how = outcome === false ? `was not ready within ${READY_WITHIN_MS / 1000} s` : `${outcome.how}`;
        throw new OuterloopError(
          "server-not-ready",
          `${name} ${how}; ${logFile} ends with\n${lastLines(logFile)}`,
          {
            endpoint,
            logFile,
          },
        );
      }
      await sleep(ASK_AGAIN_MS);
    }
    current.ended.then((how) => {
      if (current.isToldToEnd) return;
      const message = `${name} ${how} by itself; ${logFile} ends with\n${lastLines(logFile)}`;
      death.resolve(new OuterloopError("server-died", message, { endpoint, logFile }));
    });
  }

  async function isReady(): Promise<boolean> {
    try {
      const answer = await fetch(endpoint + health.path, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
      return answer.ok && (await health.isReady(answer));
    } catch {
      return false;
    }
  }

  async function end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const current = running;
    if (current === null) return;
    current.isToldToEnd = true;
    signalGroup(current.process, signal);
    const timer = setTimeout(() => signalGroup(current.process, "SIGKILL"), STOP_PATIENCE_MS);
    await current.ended;
    clearTimeout(timer);
    // The leader is gone; what it started goes, too.
    signalGroup(current.process, "SIGKILL");
    if (running === current) running = null;
  }

  const cleanUp = async () => {
    if (spec.folder === undefined) await rm(folder, { recursive: true, force: true });
  };
  try {
    await start();
  } catch (error) {
    // The error quotes the log; a folder of the caller's own stays for a closer look.
    await cleanUp();
    throw error;
  }
  return {
    port,
    folder,
    endpoint,
    logFile,
    died: death.promise,
    kill: (signal = "SIGKILL") => end(signal),
    async restart() {
      await end("SIGTERM");
      await start();
    },
    async stop() {
      await end("SIGTERM");
      await cleanUp();
    },
  };
}

interface Running {
  process: ChildProcess;
  /** How it ended, in words. */
  ended: Promise<string>;
  isToldToEnd: boolean;
}

function launch(
  { program, args, env }: ReturnType<ServerSpec["command"]>,
  folder: string,
  logFile: string,
): Running {
  const log = openSync(logFile, "a");
  const child = spawn(program, args, { cwd: folder, env, detached: true, stdio: ["ignore", log, log] });
  closeSync(log);
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(`could not be started (${error.message})`));
    child.once("exit", (code, signal) => resolve(`ended (${signal ?? `exit ${code}`})`));
  });
  if (child.pid !== undefined) endWithUs(child.pid, ended);
  return { process: child, ended, isToldToEnd: false };
}

/** The group dies when this process does, however that happens. */
function endWithUs(group: number, ended: Promise<string>): void {
  const guard = spawn("/bin/sh", ["-c", 'read -r _ || kill -9 "-$1"', "sh", String(group)], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  guard.stdin.on("error", () => {});
  guard.unref();
  // A line instead of the end of the pipe: nothing is left to kill, and the number may soon be somebody else's.
  ended.then(() => guard.stdin.end("gone\n"));
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // Nobody of the group is left.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
