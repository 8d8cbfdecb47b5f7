/**
 * A whole run inside the test process: real store, API over HTTP, functions, evaluator and peers. What a hostile peer
 * does is written in the test, against the same API.
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createApiClient } from "../../functions/api/client.ts";
import { openRun, type RunContext } from "../../functions/rounds/run-context.ts";
import { readStatus } from "../../functions/rounds/status.ts";
import type { Log } from "../../functions/triggers/environment.ts";
import { type RunConfig, type RunStatus, type SigningKey, signingKey, toHex } from "../../schemas/index.ts";
import { runEvaluator } from "../../workers/evaluator/evaluator.ts";
import { openModel } from "../../workers/evaluator/open-model.ts";
import { activateRun, chainLength, createRun } from "../../workers/local/create-run.ts";
import { mobyDick } from "../../workers/local/quick-start.ts";
import { type CurrentRun, secretsOfCurrent } from "../../workers/local/run-folder.ts";
import { startStack } from "../../workers/local/stack.ts";
import { openBackend, openStore } from "../../workers/local/storage.ts";
import { createInnerLoop, type InnerLoop } from "../../workers/peer/inner-loop.ts";
import { runPeer } from "../../workers/peer/peer.ts";
import { openPeerStateStore } from "../../workers/peer/peer-state.ts";
import { loadTokens } from "../../workers/replica/tokens.ts";

export interface EmbeddedRun {
  run: string;
  url: string;
  context: RunContext;
  /** Errors the functions logged: empty unless a test expects some. */
  faults: string[];
  /** Starts an honest peer (or one with a wrapped inner loop); resolves when the run is finished for it. */
  peer(name: string, wrap?: (inner: InnerLoop) => InnerLoop): { key: SigningKey; done: Promise<void> };
  status(): Promise<RunStatus>;
  /** Looks at the status until it satisfies a condition. */
  until(condition: (status: RunStatus) => boolean): Promise<RunStatus>;
  /** Waits for the head to say so: then receipts and ledgers of all rounds stand. */
  untilFinished(): Promise<RunStatus>;
  close(): Promise<void>;
}

export interface EmbeddedOptions {
  config: RunConfig;
  evaluators?: number;
  loseEvent?: (key: string) => boolean;
  /** Where it is kept: in a folder of its own, unless said otherwise. */
  storage?: CurrentRun["storage"];
  /** For a store that posts its notifications: a free one if absent. */
  port?: number;
  notificationToken?: string;
  /** Pause between two sweeps; the storage's own if absent. */
  sweepMs?: number;
}

const seedOf = (name: string) => new Uint8Array(Buffer.from(name.padEnd(32, ".").slice(0, 32)));

/** Keys by name, the same in every test. */
export const keyOf = (name: string) => signingKey(seedOf(name));

export async function startEmbeddedRun({
  config,
  evaluators = 1,
  loseEvent,
  storage = { kind: "folder" },
  port: wantedPort,
  notificationToken,
  sweepMs,
}: EmbeddedOptions): Promise<EmbeddedRun> {
  const dataDir = await mkdtemp(join(tmpdir(), "outerloop-test-"));
  const port = wantedPort ?? (await freePort());
  const evaluatorKeys = Array.from({ length: evaluators }, (_, i) => keyOf(`evaluator-${i}`));
  const ticketSecret = toHex(seedOf("tickets"));
  const baseUrl = `http://127.0.0.1:${port}`;
  const store = openStore(dataDir, { storage, ticketSecret }, baseUrl);
  const chainId = toHex(seedOf("chain-id"));
  const lastLink = toHex(seedOf("chain"));
  const run = await createRun(store, {
    slug: "test",
    config,
    source: "Moby-Dick",
    text: mobyDick().slice(0, 60_000),
    keys: {
      roots: [keyOf("root-1"), keyOf("root-2")],
      coordinator: keyOf("coordinator"),
      api: keyOf("api"),
      evaluators: evaluatorKeys.map(({ publicKey }) => publicKey),
      chainId,
      lastLink,
      parameterSeed: seedOf("parameters"),
    },
  });
  await activateRun(store, run);
  const current: CurrentRun = {
    run,
    number: 1,
    options: { rounds: config.rounds, peers: 0, saboteurs: 0, evaluators, seed: null },
    storage,
    coordinatorSeed: toHex(seedOf("coordinator")),
    apiSeed: toHex(seedOf("api")),
    chainId,
    lastLink,
    chainLinks: chainLength(config.rounds),
    ticketSecret,
    peers: [],
    evaluators: [],
  };
  const faults: string[] = [];
  const log: Log = (level, message) => {
    if (level !== "info") faults.push(message);
  };
  const backend = await openBackend(dataDir, current, baseUrl);
  const stack = await startStack({
    backend: { ...backend, sweepMs: sweepMs ?? backend.sweepMs },
    secrets: secretsOfCurrent(current),
    host: "127.0.0.1",
    port,
    notificationToken,
    log,
    ...(loseEvent ? { loseEvent } : {}),
  });
  const stop = new AbortController();
  const { signal } = stop;
  const working: Promise<void>[] = [];
  const endsWithRun = (work: Promise<void>) => {
    const quiet = work.catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
    quiet.catch(() => {});
    working.push(quiet);
    return quiet;
  };
  for (const [i, key] of evaluatorKeys.entries()) {
    const api = createApiClient({ coordinator: stack.url, key, signal });
    endsWithRun(
      runEvaluator({
        api,
        run,
        key,
        open: openModel(join(dataDir, `evaluator-${i}`)),
        report: () => {},
        signal,
      }),
    );
  }
  const context = await openRun(store, run);
  const status = () => readStatus(context);
  const reader = createApiClient({ coordinator: stack.url, signal });

  return {
    run,
    url: stack.url,
    context,
    faults,
    status,
    peer(name, wrap = (inner) => inner) {
      const key = keyOf(name);
      const folder = join(dataDir, name);
      const train = async () =>
        runPeer({
          api: createApiClient({ coordinator: stack.url, key, signal }),
          run,
          key,
          store: await openPeerStateStore(folder, run),
          innerLoop: async (view) =>
            wrap(await createInnerLoop(config, await loadTokens(view, join(folder, "data")))),
          report: () => {},
          signal,
        });
      return { key, done: endsWithRun(train()) };
    },
    async until(condition) {
      for (;;) {
        const now = await status();
        if (condition(now)) return now;
        await pause();
      }
    },
    async untilFinished() {
      while (!(await reader.position(run)).finished) await pause();
      return status();
    },
    async close() {
      stop.abort();
      await stack.close();
      await Promise.allSettled(working);
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Waiting for real work: the pause only spares the processor, nothing depends on its length. */
const pause = () => new Promise((resolve) => setTimeout(resolve, 50));

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
