/**
 * `outerloop up`: a whole run on this machine, every part a process of its own. Returns the exit status.
 *
 * @module
 */
import { isIPv6 } from "node:net";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { openRun } from "../../functions/rounds/run-context.ts";
import { codecNote, loadCodec } from "../../native/codec.ts";
import { OuterloopError, type RunResult } from "../../schemas/index.ts";
import { INTERRUPTED } from "../cli/lifetime.ts";
import { isChange, lineText } from "../operator/diff.ts";
import { provision } from "../operator/provision.ts";
import { lockFolder } from "../peer/folder-lock.ts";
import { type Children, type ChildSpec, createChildren } from "./children.ts";
import { createDisplay, type Display } from "./display.ts";
import { requireFreePort, startCoordinator } from "./port.ts";
import { prepareRun, type WantedRun } from "./prepare.ts";
import { buildResult } from "./result.ts";
import { type CloudStorage, type CurrentRun, folders } from "./run-folder.ts";
import { openStore, storeName } from "./storage.ts";
import { summaryText } from "./summary.ts";
import { Timeline } from "./timeline.ts";
import { watchRun, whenStoreAnswers } from "./watch.ts";
import { webhookNote } from "./webhook-note.ts";

const LOOPBACK = "127.0.0.1";
/** Not an address that anybody could ask for. */
const EVERY_ADDRESS = ["0.0.0.0", "::"];
const WATCH_MS = 200;
/** Where every look is a request. */
const WATCH_CLOUD_MS = 1_000;

export interface UpOptions extends WantedRun {
  dataDir: string;
  /** What the coordinator listens on. */
  host: string;
  port: number | undefined;
  json: boolean;
  keep: boolean;
}

/** Trains a whole run on this machine, or goes on with the unfinished one of the folder. */
export async function up(options: UpOptions, signal: AbortSignal): Promise<number> {
  const lock = await lockFolder(options.dataDir, "up");
  try {
    return await upAlone(options, signal);
  } finally {
    await lock.release();
  }
}

async function upAlone(options: UpOptions, signal: AbortSignal): Promise<number> {
  const startedAt = performance.now();
  const dataDir = resolve(options.dataDir);
  // In JSON mode stdout holds the result and nothing else.
  const display = createDisplay(options.json ? process.stderr : process.stdout);
  const { host } = options;
  await requireFreePort(host, options.port ?? 0);
  // A kill at any point of this leaves nothing that the same command would not complete, and Ctrl-C is no worse.
  const preparing = prepareRun(dataDir, options, (storage) => provisionFor(storage, display, signal));
  const { current, resumed } = await unlessStopped(preparing, signal);
  display.line(`${resumed ? "resuming" : "starting"} run ${current.run}: ${current.options.rounds} rounds`);
  display.line(`codec: ${loadCodec().backend}${codecNote() === null ? "" : ` (${codecNote()})`}`);

  const timeline = new Timeline();
  const context = await openRun(openStore(dataDir, current), current.run);
  const failed = new AbortController();
  const children = createChildren({
    onEvent: (name, event) => {
      timeline.add(event);
      display.event(name, event);
      // Whoever started this process may want to know, too.
      process.send?.(event);
    },
    onNote: (text) => display.line(text),
  });

  try {
    const specOf = (port: number) => coordinatorSpec({ dataDir, current }, host, port);
    const port = await unlessStopped(
      startCoordinator({ children, host, asked: options.port, specOf }),
      signal,
    );
    const url = `http://${authorityOf(host, port)}`;
    display.line(`page: ${url}`);
    const note = options.port === undefined ? await webhookNote(current.storage, port) : null;
    if (note !== null) display.line(note);
    display.peers(current.peers);
    startWorkers(children, { dataDir, current }, url);
    for (const name of ["coordinator", ...current.evaluators.map((one) => one.name)]) {
      children.done(name).catch((error: Error) => failed.abort(error));
    }
    let lost = 0;
    for (const { name } of current.peers) {
      children.done(name).catch((error: Error) => {
        lost++;
        // Below the minimum no round can begin, and nobody is left to join.
        if (current.peers.length - lost < context.genesis.body.config.gather.minPeers) failed.abort(error);
      });
    }
    const stop = AbortSignal.any([signal, failed.signal]);
    const pauseMs = current.storage.kind === "s3" ? WATCH_CLOUD_MS : WATCH_MS;
    const watching = { context, timeline, display, pauseMs, signal: stop };
    await watchRun(watching);
    // Every peer says in its last intent which parameters it holds, then ends.
    await unlessStopped(Promise.allSettled(current.peers.map(({ name }) => children.done(name))), stop);
    const wallSeconds = (performance.now() - startedAt) / 1_000;
    const result = await whenStoreAnswers(watching, () =>
      buildResult({
        context,
        bucket: storeName(dataDir, current.storage),
        wallSeconds,
        peers: current.peers.map(({ peer, behaviour }) => ({ peer, behaviour })),
        timeline,
      }),
    );
    display.end();
    await print(result, options, url);
    if (options.keep) await untilStopped(signal);
    return 0;
  } catch (error) {
    if (signal.aborted) {
      display.end();
      display.line(`stopped; the same command goes on with run ${current.run}`);
      return INTERRUPTED;
    }
    if (failed.signal.aborted) throw new OuterloopError("child-failed", String(failed.signal.reason.message));
    throw error;
  } finally {
    display.end();
    await children.stop();
  }
}

/** Makes the bucket and queues what they must be; says what changed. */
async function provisionFor({ kind: _, ...storage }: CloudStorage, display: Display, signal: AbortSignal) {
  const { lines } = await provision(storage, signal);
  for (const line of lines) {
    if (isChange(line)) display.line(lineText(line) ?? "");
  }
}

async function print(result: RunResult, options: UpOptions, url: string): Promise<void> {
  const text = options.json
    ? JSON.stringify(result)
    : summaryText(result, options.keep ? url : null, options.dataDir);
  await new Promise<void>((resolve) => process.stdout.write(`${text}\n`, () => resolve()));
}

interface Place {
  dataDir: string;
  current: CurrentRun;
}

const BIN = fileURLToPath(new URL("../../bin/outerloop.js", import.meta.url));
const SABOTEUR = fileURLToPath(new URL("./saboteur.ts", import.meta.url));

function coordinatorSpec(place: Place, host: string, port: number): ChildSpec {
  const address = ["--host", host, "--port", `${port}`, "--authority", authorityOf(host, port)];
  const args = [BIN, "coordinator", "--data-dir", place.dataDir, ...address];
  return specOf(place, "coordinator", args, false, process.env);
}

/** What the workers of this machine call the coordinator. */
function authorityOf(host: string, port: number): string {
  if (EVERY_ADDRESS.includes(host)) return `${LOOPBACK}:${port}`;
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

function startWorkers(children: Children, place: Place, url: string): void {
  const { dataDir, current } = place;
  const { run } = current;
  const env = withoutCredentials(process.env);
  const worker = (folder: string) => ["--coordinator", url, "--run", run, "--data-dir", folder];
  for (const { name } of current.evaluators) {
    const folder = folders.member(dataDir, run, name);
    children.start(specOf(place, name, [BIN, "evaluator", ...worker(folder)], false, env));
  }
  for (const { name, behaviour } of current.peers) {
    const folder = folders.member(dataDir, run, name);
    const honest = behaviour === "honest";
    const args = honest ? [BIN, "peer", ...worker(folder)] : [SABOTEUR, behaviour, url, run, folder];
    children.start(specOf(place, name, args, true, env));
  }
}

function specOf(
  { dataDir, current }: Place,
  name: string,
  args: string[],
  ends: boolean,
  env: NodeJS.ProcessEnv,
): ChildSpec {
  const logFile = join(folders.run(dataDir, current.run), "logs", `${name}.log`);
  const NODE_COMPILE_CACHE = process.env.NODE_COMPILE_CACHE ?? join(dataDir, "compile-cache");
  return { name, args, ends, logFile, env: { ...env, NODE_COMPILE_CACHE } };
}

/** Peers and evaluators hold no key but their own: what opens the bucket is for the coordinator alone. */
function withoutCredentials(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = ([name]: [string, unknown]) => !name.startsWith("AWS_") && name !== "OUTERLOOP_EVENTS_TOKEN";
  return Object.fromEntries(Object.entries(env).filter(kept));
}

/** The result of some work, or the reason for stopping before it is done. */
function unlessStopped<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    work.then(resolve, reject);
  });
}

function untilStopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
