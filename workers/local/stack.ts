/**
 * The coordinator in one process: API and functions over whatever store and queues it is given. It knows nothing of
 * who is honest.
 *
 * @module
 */
import { EventEmitter } from "node:events";
import { serve } from "@hono/node-server";
import { createApi } from "../../functions/api/app.ts";
import type { ApiEnvironment } from "../../functions/api/environment.ts";
import { MANY_FACTS } from "../../functions/rounds/fact-cache.ts";
import { createNudger } from "../../functions/rounds/nudger.ts";
import { oncePerRun } from "../../functions/rounds/once-per-run.ts";
import { openRun } from "../../functions/rounds/run-context.ts";
import { apiKeyOf, runSecretsOf, type SecretStore } from "../../functions/secrets/secret-store.ts";
import type { Log, TriggerEnvironment } from "../../functions/triggers/environment.ts";
import { OuterloopError } from "../../schemas/index.ts";
import { runFunctions } from "./runner.ts";
import type { Backend } from "./storage.ts";

const POLL_AFTER_SECONDS = 0.03;
const HOLD_SECONDS = 10;

export interface StackOptions {
  backend: Backend;
  secrets: Pick<SecretStore, "coordinator" | "api">;
  host: string;
  port: number;
  /** What signatures must cover; host and port unless the coordinator stands behind a proxy. */
  authority?: string | undefined;
  /** Mounts the route that a store posts its notifications to. */
  notificationToken?: string | undefined;
  log: Log;
  loseEvent?: (key: string) => boolean;
}

export interface Stack {
  url: string;
  /** Ends everything; resolves when nothing runs any more. */
  close(): Promise<void>;
}

export async function startStack(options: StackOptions): Promise<Stack> {
  const { backend, secrets, host, port, log, notificationToken, loseEvent } = options;
  const { store, ticks, shards, jobs } = backend;
  // Runs without secrets here can be looked at, but are not decided.
  const run = oncePerRun(async (id) => {
    const kept = await secrets.coordinator(id);
    return openRun(store, id, kept === null ? undefined : runSecretsOf(kept), { cachedFacts: MANY_FACTS });
  });

  const changes = new EventEmitter().setMaxListeners(0);
  const openRounds = new Map<string, number>();
  const environment: TriggerEnvironment = {
    store,
    ticks,
    shards,
    jobs,
    nudger: createNudger({ shards, jobs }, { resendSeconds: backend.resendSeconds }),
    log,
    run,
    openRounds,
    owing: new Set(),
    ticking: new Map(),
    onTick: (id) => changes.emit(id),
  };
  const apiEnvironment: ApiEnvironment = {
    store,
    ticks,
    jobs,
    key: (id) => apiKeyOf(secrets, id),
    authority: options.authority ?? `${host}:${port}`,
    pollAfterSeconds: POLL_AFTER_SECONDS,
    holdSeconds: HOLD_SECONDS,
    run,
    openRound: (id) => openRounds.get(id),
    onChange(id, listener) {
      changes.on(id, listener);
      return () => changes.off(id, listener);
    },
    objects: backend.objects,
    log,
    ...(notificationToken === undefined
      ? {}
      : { notifications: { queue: shards, token: notificationToken } }),
  };

  const server = await listen(createApi(apiEnvironment).fetch, host, port);
  const stop = new AbortController();
  const working = runFunctions({
    environment,
    signal: stop.signal,
    sweepMs: backend.sweepMs,
    onCreated: backend.onCreated,
    loseEvent,
  });
  return {
    url: `http://${host}:${port}`,
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
