/**
 * A run in memory: the real API, deciding functions, shard functions and object store, on a clock that is turned by hand.
 *
 * @module
 */

import { createApi } from "../../../functions/api/app.ts";
import { type ApiClient, createApiClient, type Host } from "../../../functions/api/client.ts";
import { seedChain } from "../../../functions/coordinator/seed-chain.ts";
import { advance } from "../../../functions/rounds/advance.ts";
import { aggregateShard } from "../../../functions/rounds/aggregate-shard.ts";
import { checkUpload } from "../../../functions/rounds/check-upload.ts";
import { openRun, type RunContext } from "../../../functions/rounds/run-context.ts";
import { writeStateShard } from "../../../functions/rounds/state-shard.ts";
import { createMemoryObjectStore } from "../../../functions/storage/memory-object-store.ts";
import { createMemoryQueue } from "../../../functions/storage/memory-queue.ts";
import type { ObjectStore } from "../../../functions/storage/object-store.ts";
import {
  derivedSeed,
  type EvaluatorJob,
  type RunConfig,
  type SigningKey,
  signingKey,
  toHex,
} from "../../../schemas/index.ts";
import { activateRun, chainLength, createRun } from "../../../workers/local/create-run.ts";
import { mobyDick } from "../../../workers/local/quick-start.ts";

const AUTHORITY = "127.0.0.1:4650";
const ORIGIN = `http://${AUTHORITY}`;
/** Far enough away that no signature has expired by the clock of the machine. */
const START_MS = Date.UTC(2100, 0, 1);

export const keyOf = (name: string): SigningKey => signingKey(derivedSeed("arena", name));

type App = ReturnType<typeof createApi>;

export class World {
  readonly run: string;
  readonly store: ObjectStore;
  readonly deciding: RunContext;
  readonly clock: { nowMs: number };
  readonly #app: App;
  /** Jobs that no evaluator has taken yet, oldest first. */
  readonly jobs: EvaluatorJob[] = [];
  #round = 1;

  private constructor(parts: Pick<World, "run" | "store" | "deciding" | "clock">, app: App) {
    this.run = parts.run;
    this.store = parts.store;
    this.deciding = parts.deciding;
    this.clock = parts.clock;
    this.#app = app;
  }

  /** `seed`: everything that is drawn follows from it. */
  static async create(seed: number, config: RunConfig, evaluators: readonly SigningKey[]): Promise<World> {
    const clock = { nowMs: START_MS };
    const now = () => clock.nowMs;
    const ticketSecret = "a secret of the arena";
    const store = createMemoryObjectStore({ ticketSecret, baseUrl: ORIGIN, now });
    const chain = {
      id: toHex(derivedSeed(`arena ${seed}`, "id")),
      last: toHex(derivedSeed(`arena ${seed}`, "last")),
    };
    const coordinator = keyOf("coordinator");
    const run = await createRun(store, {
      slug: "arena",
      config,
      source: "Moby-Dick",
      text: mobyDick(),
      keys: {
        roots: [keyOf("root")],
        coordinator,
        api: keyOf("api"),
        evaluators: evaluators.map(({ publicKey }) => publicKey),
        chainId: chain.id,
        lastLink: chain.last,
        parameterSeed: derivedSeed(`arena ${seed}`, "parameters"),
      },
    });
    await activateRun(store, run);
    const secrets = { coordinator, chain: seedChain(chain.id, chain.last, chainLength(config.rounds)) };
    const deciding = await openRun(store, run, secrets);
    const reading = openRun(store, run);
    const queue = () => createMemoryQueue({ maxReceives: 5, now });
    let world: World | undefined;
    const app = createApi({
      store,
      ticks: queue(),
      jobs: queue(),
      key: async () => keyOf("api"),
      authority: AUTHORITY,
      pollAfterSeconds: 1,
      holdSeconds: 0,
      run: async () => reading,
      openRound: () => world?.round ?? 1,
      onChange: () => () => {},
      objects: { kind: "served", ticketSecret: new TextEncoder().encode(ticketSecret) },
      log: () => {},
      now,
    });
    world = new World({ run, store, deciding, clock }, app);
    return world;
  }

  /** The round that is open. */
  get round(): number {
    return this.#round;
  }

  /** The API's own client, as a member with this key uses it. */
  client(key: SigningKey): ApiClient {
    const host: Host = {
      now: () => this.clock.nowMs,
      random: () => 0.5,
      sleep: async (ms) => this.passTime(ms),
      fetch: async (url, init) => {
        const headers = new Headers(init.headers);
        if (init.body instanceof Uint8Array) headers.set("content-length", String(init.body.length));
        return this.#app.request(url, { ...init, headers });
      },
    };
    return createApiClient({ coordinator: ORIGIN, key, host, patienceSeconds: 0 });
  }

  passTime(ms: number): void {
    this.clock.nowMs += ms;
  }

  /** The event of an upload. */
  uploaded(round: number, peer: string, shard: number): Promise<unknown> {
    return checkUpload(this.deciding, { round, peer, shard });
  }

  /** Decides until there is nothing left to decide; shard functions work at once, evaluators' jobs wait. */
  async decide(): Promise<string> {
    for (;;) {
      let worked = false;
      const { facts } = await advance(this.deciding, {
        from: this.#round,
        owed: true,
        send: async (nudges) => {
          for (const { queue, message } of nudges) {
            if (queue === "jobs") this.#ask(message);
            else if (message.type === "aggregate" && message.round === this.#round)
              worked =
                (await aggregateShard(this.deciding, message.round, message.shard, message.set)) || worked;
          }
        },
      });
      const finished = facts.round - 1;
      for (; this.#round <= finished; this.#round++)
        for (const { number } of this.deciding.layout.shards)
          await writeStateShard(this.deciding, this.#round, number);
      if (!worked) return facts.phase;
    }
  }

  #ask(job: EvaluatorJob): void {
    if (job.type === "held-out") return;
    const same = JSON.stringify(job);
    if (!this.jobs.some((other) => JSON.stringify(other) === same)) this.jobs.push(job);
  }
}
