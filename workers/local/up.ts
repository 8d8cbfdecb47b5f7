/**
 * `outerloop up`: a whole run on this machine, every part a process of its own. Returns the exit status.
 *
 * @module
 */
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { openRun, type RunContext } from "../../functions/rounds/run-context.ts";
import { readStatus } from "../../functions/rounds/status.ts";
import { codecNote, loadCodec } from "../../native/codec.ts";
import { isOuterloopError, OuterloopError, type RunResult, type RunStatus } from "../../schemas/index.ts";
import { INTERRUPTED } from "../cli/lifetime.ts";
import { isChange, lineText } from "../operator/diff.ts";
import { provision } from "../operator/provision.ts";
import { lockFolder } from "../peer/folder-lock.ts";
import { type Children, createChildren } from "./children.ts";
import { createDisplay, type Display } from "./display.ts";
import { prepareRun, type WantedRun } from "./prepare.ts";
import { buildResult, isComplete } from "./result.ts";
import { type CloudStorage, type CurrentRun, folders } from "./run-folder.ts";
import { openStore, storeName } from "./storage.ts";
import { summaryText } from "./summary.ts";
import { roundSeconds, Timeline } from "./timeline.ts";

const HOST = "127.0.0.1";
const DEFAULT_PORT = 4650;
const WATCH_MS = 200;
/** Where every look is a request. */
const WATCH_CLOUD_MS = 1_000;

export interface UpOptions extends WantedRun {
  dataDir: string;
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
  const port = await choosePort(options.port);
  if (options.storage?.kind === "s3") await provisionFor(options.storage, display, signal);
  const { current, resumed } = await prepareRun(dataDir, options);
  const url = `http://${HOST}:${port}`;
  display.line(`${resumed ? "resuming" : "starting"} run ${current.run}: ${current.options.rounds} rounds`);
  display.line(`codec: ${loadCodec().backend}${codecNote() === null ? "" : ` (${codecNote()})`}`);
  display.line(`page: ${url}`);
  display.peers(current.peers);

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
  startAll(children, { dataDir, current, url, port });
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

  try {
    const stop = AbortSignal.any([signal, failed.signal]);
    await watch(context, timeline, display, current.storage.kind === "s3" ? WATCH_CLOUD_MS : WATCH_MS, stop);
    // Every peer says in its last intent which parameters it holds, then ends.
    await unlessStopped(Promise.allSettled(current.peers.map(({ name }) => children.done(name))), stop);
    const wallSeconds = (performance.now() - startedAt) / 1_000;
    const result = await buildResult({
      context,
      bucket: storeName(dataDir, current.storage),
      wallSeconds,
      peers: current.peers.map(({ peer, behaviour }) => ({ peer, behaviour })),
      timeline,
    });
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

interface Setting {
  dataDir: string;
  current: CurrentRun;
  url: string;
  port: number;
}

function startAll(children: Children, { dataDir, current, url, port }: Setting): void {
  const { run } = current;
  const bin = fileURLToPath(new URL("../../bin/outerloop.js", import.meta.url));
  const saboteur = fileURLToPath(new URL("./saboteur.ts", import.meta.url));
  const compileCache = {
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(dataDir, "compile-cache"),
  };
  const start = (name: string, args: string[], ends: boolean, env: NodeJS.ProcessEnv) =>
    children.start({
      name,
      args,
      ends,
      logFile: join(folders.run(dataDir, run), "logs", `${name}.log`),
      env: { ...env, ...compileCache },
    });
  const ofWorkers = withoutCredentials(process.env);
  const worker = (name: string) => [
    "--coordinator",
    url,
    "--run",
    run,
    "--data-dir",
    folders.member(dataDir, run, name),
  ];
  const coordinator = [bin, "coordinator", "--data-dir", dataDir, "--port", String(port)];
  start("coordinator", coordinator, false, process.env);
  for (const { name } of current.evaluators)
    start(name, [bin, "evaluator", ...worker(name)], false, ofWorkers);
  for (const { name, behaviour } of current.peers) {
    const folder = folders.member(dataDir, run, name);
    const honest = behaviour === "honest";
    const args = honest ? [bin, "peer", ...worker(name)] : [saboteur, behaviour, url, run, folder];
    start(name, args, true, ofWorkers);
  }
}

/** Peers and evaluators hold no key but their own: what opens the bucket is for the coordinator alone. */
function withoutCredentials(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = ([name]: [string, unknown]) => !name.startsWith("AWS_") && name !== "OUTERLOOP_EVENTS_TOKEN";
  return Object.fromEntries(Object.entries(env).filter(kept));
}

/** Follows the run in its bucket, whatever becomes of the processes, until it is complete. */
async function watch(
  context: RunContext,
  timeline: Timeline,
  display: Display,
  pauseMs: number,
  signal: AbortSignal,
): Promise<void> {
  let shown: number | null = null;
  for (;;) {
    const status = await ifStoreAnswers(() => readStatus(context, context.complete.length + 1), display);
    if (status !== null) {
      display.status(status);
      // On a resumed run the rounds of before are not told again.
      shown ??= status.history.length;
      while (shown < status.history.length && isTold(status, shown)) {
        await showRound(context, timeline, display, status, shown++);
      }
      if (isComplete(status)) return;
    }
    await sleep(pauseMs, undefined, { signal });
  }
}

/** Null, with a word to people, while the store is away: the run waits for it too, so there is nothing to miss. */
async function ifStoreAnswers<T>(look: () => Promise<T>, display: Display): Promise<T | null> {
  try {
    return await look();
  } catch (error) {
    if (!isOuterloopError(error, "store-unreachable")) throw error;
    display.line(error.message);
    return null;
  }
}

/** A round is told once its held-out loss is known and the next roster has ended it. */
function isTold(status: RunStatus, index: number): boolean {
  const known = status.history[index]?.heldOutLoss !== null;
  const ended = index + 1 < status.history.length || status.phase !== "gather";
  return known && ended;
}

async function showRound(
  context: RunContext,
  timeline: Timeline,
  display: Display,
  status: RunStatus,
  index: number,
): Promise<void> {
  const summary = status.history[index];
  if (summary === undefined) return;
  const { round, heldOutLoss, selected, refused, bytesUp, bytesDown } = summary;
  const seconds = await roundSeconds(context, timeline, round);
  display.round({
    round,
    rounds: status.rounds,
    heldOutLoss,
    selected,
    refused,
    bytesUp,
    bytesDown,
    seconds,
  });
}

/** The result of some work, or the reason for stopping before it is done. */
function unlessStopped<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
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

/** The port asked for (`port-taken` if it is not free), else the usual one, else any. */
async function choosePort(asked: number | undefined): Promise<number> {
  const free = await probe(asked ?? DEFAULT_PORT);
  if (free !== null) return free;
  if (asked !== undefined) {
    throw new OuterloopError("port-taken", `port ${asked} is in use: choose another one with --port`);
  }
  return (await probe(0)) ?? DEFAULT_PORT;
}

function probe(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(null));
    server.listen(port, HOST, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : null));
    });
  });
}
