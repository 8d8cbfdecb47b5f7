/**
 * The coordinator in one process: file store, queues, API and functions. It knows nothing of who is honest.
 *
 * @module
 */
import { EventEmitter } from "node:events";
import { join } from "node:path";
import { serve } from "@hono/node-server";
import { createApi } from "../../functions/api/app.ts";
import type { ApiEnvironment } from "../../functions/api/environment.ts";
import { seedChain } from "../../functions/coordinator/seed-chain.ts";
import { createNudger } from "../../functions/rounds/nudger.ts";
import { openRun, type RunContext, type RunSecrets } from "../../functions/rounds/run-context.ts";
import { createFileObjectStore } from "../../functions/storage/file-object-store.ts";
import { createFileQueue } from "../../functions/storage/file-queue.ts";
import { createMemoryQueue } from "../../functions/storage/memory-queue.ts";
import type { ObjectStore } from "../../functions/storage/object-store.ts";
import type { Log, TriggerEnvironment } from "../../functions/triggers/environment.ts";
import { fromHex, OuterloopError, signingKey } from "../../schemas/index.ts";
import { type CurrentRun, folders } from "./run-folder.ts";
import { runFunctions } from "./runner.ts";

const POLL_AFTER_SECONDS = 0.03;
const HOLD_SECONDS = 10;
/**
 * How soon work is asked for again. The functions' queue is memory, so an event may be lost; the jobs' queue is on
 * disk and brings back what a dead evaluator held.
 */
const RESEND_SECONDS = { functions: 5, jobs: 60 };
const MAX_RECEIVES = 5;

export interface StackOptions {
  dataDir: string;
  current: CurrentRun;
  host: string;
  port: number;
  log: Log;
  loseEvent?: (key: string) => boolean;
}

export interface Stack {
  url: string;
  store: ObjectStore;
  /** Ends everything; resolves when nothing runs any more. */
  close(): Promise<void>;
}

/** Opens the bucket of a data folder. `baseUrl` is where the API serves its objects. */
export function openBucket(dataDir: string, baseUrl: string, ticketSecret: string): ObjectStore {
  return createFileObjectStore({
    root: folders.bucket(dataDir),
    ticketSecret: fromHex(ticketSecret),
    baseUrl,
  });
}

export async function startStack({
  dataDir,
  current,
  host,
  port,
  log,
  loseEvent,
}: StackOptions): Promise<Stack> {
  const authority = `${host}:${port}`;
  const url = `http://${authority}`;
  const store = openBucket(dataDir, url, current.ticketSecret);
  const secrets: RunSecrets = {
    coordinator: signingKey(fromHex(current.coordinatorSeed)),
    chain: seedChain(current.chainId, current.lastLink, current.chainLinks),
  };
  // Older runs of the same folder can be looked at, but only the current one is decided.
  const runs = new Map<string, Promise<RunContext>>();
  const run = (id: string) => {
    const opened = runs.get(id) ?? openRun(store, id, id === current.run ? secrets : undefined);
    runs.set(id, opened);
    opened.catch(() => runs.delete(id));
    return opened;
  };

  const functions = createMemoryQueue({ maxReceives: MAX_RECEIVES });
  const jobs = createFileQueue({
    root: join(folders.member(dataDir, current.run, "coordinator"), "jobs"),
    maxReceives: MAX_RECEIVES,
  });
  const changes = new EventEmitter().setMaxListeners(0);
  const openRounds = new Map<string, number>();
  const environment: TriggerEnvironment = {
    store,
    functions,
    jobs,
    nudger: createNudger({ functions, jobs }, { resendSeconds: RESEND_SECONDS }),
    log,
    run,
    openRounds,
    ticking: new Map(),
    onTick: (id) => changes.emit(id),
  };
  const apiEnvironment: ApiEnvironment = {
    store,
    functions,
    jobs,
    key: signingKey(fromHex(current.apiSeed)),
    authority,
    pollAfterSeconds: POLL_AFTER_SECONDS,
    holdSeconds: HOLD_SECONDS,
    run,
    openRound: (id) => openRounds.get(id) ?? 1,
    onChange(id, listener) {
      changes.on(id, listener);
      return () => changes.off(id, listener);
    },
    ticketSecret: fromHex(current.ticketSecret),
  };

  await run(current.run);
  const server = await listen(createApi(apiEnvironment).fetch, host, port);
  const stop = new AbortController();
  const working = runFunctions({ environment, signal: stop.signal, ...(loseEvent ? { loseEvent } : {}) });
  return {
    url,
    store,
    async close() {
      stop.abort();
      server.closeAllConnections();
      await Promise.all([working, new Promise((resolve) => server.close(resolve))]);
    },
  };
}

type Server = { closeAllConnections(): void; close(done: (error?: Error) => void): void };

/** Typed error `port-taken`. */
function listen(
  fetch: Parameters<typeof serve>[0]["fetch"],
  hostname: string,
  port: number,
): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch, hostname, port }, () => resolve(server as unknown as Server));
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(
        error.code === "EADDRINUSE"
          ? new OuterloopError(
              "port-taken",
              `port ${port} is in use: choose another one with --port`,
              { port },
              error,
            )
          : error,
      );
    });
  });
}
