/**
 * A run in memory behind the real API, without a socket: tests send it requests, honest and otherwise, and take the
 * run on step by step. Peers and evaluators are keys by name; what they send is made here and can be changed.
 *
 * @module
 */
import { EventEmitter } from "node:events";
import {
  type Close,
  type Commit,
  close as closeSchema,
  derivedSeed,
  f32FromHex,
  type GuardReport,
  hashOf,
  type Intent,
  keys,
  parseCanonical,
  type Report,
  type Roster,
  type RunConfig,
  roster as rosterSchema,
  type SigningKey,
  selection as selectionSchema,
  sha256,
  signed,
  signingKey,
  signToBytes,
  state as stateSchema,
  toHex,
} from "../../../schemas/index.ts";
import { activateRun, chainLength, createRun } from "../../../workers/local/create-run.ts";
import { packLosses } from "../../coordinator/gauntlet/losses.ts";
import { seedChain } from "../../coordinator/seed-chain.ts";
import { proofRanges, stateProof } from "../../coordinator/state-check.ts";
import { testConfig } from "../../coordinator/testing/facts.ts";
import { advance } from "../../rounds/advance.ts";
import { aggregateShard } from "../../rounds/aggregate-shard.ts";
import { checkUpload } from "../../rounds/check-upload.ts";
import { openRun, type RunContext } from "../../rounds/run-context.ts";
import { readElements } from "../../rounds/state-files.ts";
import { writeStateShard } from "../../rounds/state-shard.ts";
import { createMemoryObjectStore } from "../../storage/memory-object-store.ts";
import { createMemoryQueue } from "../../storage/memory-queue.ts";
import { listAll, type ObjectStore } from "../../storage/object-store.ts";
import type { Queue } from "../../storage/queue.ts";
import { createApi } from "../app.ts";
import type { ApiEnvironment } from "../environment.ts";
import { signRequest } from "../request-signatures.ts";

export const AUTHORITY = "127.0.0.1:4650";
export const ORIGIN = `http://${AUTHORITY}`;
const TICKET_SECRET = "a secret of the test suite";

/** Keys by name, the same in every test. */
export const keyOf = (name: string): SigningKey => signingKey(derivedSeed("api tests", name));

/** Two shards of one chunk, two peers, three rounds. */
export const apiRunConfig: RunConfig = {
  ...testConfig,
  rounds: 3,
  model: { ...testConfig.model, vocabulary: 4_096, width: 2, feedForward: 2 },
};

const ROOTS = [keyOf("root-1"), keyOf("root-2")];
const CHAIN_ID = toHex(derivedSeed("api tests", "chain-id"));
const LAST_LINK = toHex(derivedSeed("api tests", "chain"));

export type App = ReturnType<typeof createApi>;

/** An answer with its body read: JSON where it is JSON, else text. */
export interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever was answered
  body: any;
  text: string;
  headers: Headers;
}

export async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text();
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = text;
  }
  return { status: response.status, body, text, headers: response.headers };
}

/** Sends a signed POST; `change` has the last word on what goes out. */
export async function post(
  app: App,
  key: SigningKey,
  path: string,
  body: Uint8Array | string,
  change: (request: {
    method: string;
    url: string;
    headers: Record<string, string>;
    body: Uint8Array;
  }) => void = () => {},
): Promise<Answer> {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const request = {
    method: "POST",
    url: `${ORIGIN}${path}`,
    headers: { "content-type": "application/json" },
    body: bytes,
  };
  const headers = await signRequest(request, key);
  const sent = { ...request, headers: { ...headers, "content-length": String(bytes.length) } };
  change(sent);
  const { url, method } = sent;
  return answerOf(
    await app.request(url, { method, headers: sent.headers, body: new Uint8Array(sent.body) } as RequestInit),
  );
}

/** Nobody knows them yet, so each needs the other's word. */
const JUDGE_NAMES = ["evaluator-1", "evaluator-2"];
const JUDGES = JUDGE_NAMES.map((name) => keyOf(name));

export interface ApiRunOptions {
  config?: Partial<RunConfig>;
  slug?: string;
  evaluators?: string[];
  /** Another run in the same bucket, behind the same API. */
  beside?: ApiRun;
  /** Replaces parts of what the API is given. */
  environment?: Partial<ApiEnvironment>;
  /** Wraps the store that the API reads through. */
  through?: (store: ObjectStore) => ObjectStore;
}

export class ApiRun {
  readonly run: string;
  readonly store: ObjectStore;
  readonly app: App;
  readonly environment: ApiEnvironment;
  readonly ticks: Queue;
  readonly jobs: Queue;
  readonly changes: EventEmitter;
  /** A deciding function's view, with caches of its own. */
  readonly deciding: RunContext;
  readonly openRounds: Map<string, number>;
  readonly clock: { aheadMs: number };

  private constructor(parts: {
    run: string;
    store: ObjectStore;
    clock: { aheadMs: number };
    environment: ApiEnvironment;
    changes: EventEmitter;
    openRounds: Map<string, number>;
    deciding: RunContext;
  }) {
    this.run = parts.run;
    this.store = parts.store;
    this.clock = parts.clock;
    this.environment = parts.environment;
    this.app = createApi(parts.environment);
    this.ticks = parts.environment.ticks;
    this.jobs = parts.environment.jobs;
    this.changes = parts.changes;
    this.openRounds = parts.openRounds;
    this.deciding = parts.deciding;
  }

  static async create({
    config = {},
    slug = "api",
    evaluators = JUDGE_NAMES,
    beside,
    environment: replaced = {},
    through = (store) => store,
  }: ApiRunOptions = {}): Promise<ApiRun> {
    const clock = beside?.clock ?? { aheadMs: 0 };
    const store =
      beside?.store ??
      createMemoryObjectStore({
        ticketSecret: TICKET_SECRET,
        baseUrl: ORIGIN,
        now: () => Date.now() + clock.aheadMs,
      });
    const full = { ...apiRunConfig, ...config };
    const run = await createRun(store, {
      slug,
      config: full,
      source: "a line, repeated",
      text: new TextEncoder().encode("Call me Ishmael. ".repeat(300)),
      keys: {
        roots: ROOTS,
        coordinator: keyOf("coordinator"),
        api: keyOf("api"),
        evaluators: evaluators.map((name) => keyOf(name).publicKey),
        chainId: CHAIN_ID,
        lastLink: LAST_LINK,
        parameterSeed: derivedSeed("api tests", "parameters"),
      },
    });
    await activateRun(store, run);
    const secrets = {
      coordinator: keyOf("coordinator"),
      chain: seedChain(CHAIN_ID, LAST_LINK, chainLength(full.rounds)),
    };
    const changes = new EventEmitter().setMaxListeners(0);
    const openRounds = new Map<string, number>();
    const runs = new Map<string, Promise<RunContext>>();
    const environment: ApiEnvironment = {
      store,
      ticks: createMemoryQueue({ maxReceives: 5 }),
      jobs: beside?.jobs ?? createMemoryQueue({ maxReceives: 5, now: () => Date.now() + clock.aheadMs }),
      key: async () => keyOf("api"),
      authority: AUTHORITY,
      pollAfterSeconds: 0.01,
      holdSeconds: 1,
      run(id) {
        const opened = runs.get(id) ?? openRun(through(store), id);
        runs.set(id, opened);
        opened.catch(() => runs.delete(id));
        return opened;
      },
      openRound: (id) => openRounds.get(id) ?? 1,
      onChange(id, listener) {
        changes.on(id, listener);
        return () => changes.off(id, listener);
      },
      objects: { kind: "served", ticketSecret: new TextEncoder().encode(TICKET_SECRET) },
      log: () => {},
      ...replaced,
    };
    const deciding = await openRun(store, run, secrets);
    return new ApiRun({ run, store, clock, environment, changes, openRounds, deciding });
  }

  /** Stands in for the global `fetch`, so that the API's own client reaches this API. */
  readonly fetch = async (url: string | URL | Request, init?: RequestInit): Promise<Response> => {
    // As over a network: an answer takes a turn of the event loop at least, and who has given up gets none.
    await new Promise((resolve) => setImmediate(resolve));
    init?.signal?.throwIfAborted();
    const headers = new Headers(init?.headers);
    if (init?.body instanceof Uint8Array) headers.set("content-length", String(init.body.length));
    return this.app.request(url instanceof Request ? url : String(url), { ...init, headers });
  };

  get(path: string, init: RequestInit = {}): Promise<Answer> {
    return Promise.resolve(this.app.request(`${ORIGIN}${path}`, init)).then(answerOf);
  }

  post(key: SigningKey, path: string, body: Uint8Array | string): Promise<Answer> {
    return post(this.app, key, path, body);
  }

  /** Keys of all objects, in order. */
  async objects(): Promise<string[]> {
    const found: string[] = [];
    for (const top of ["active/", "public/", "sealed/", "uploads/", "views/"]) {
      for await (const { key } of listAll(this.store, top)) found.push(key);
    }
    return found;
  }

  async #read<Body>(schema: Parameters<typeof signed<Body>>[0], key: string): Promise<Body> {
    const object = await this.store.get(key);
    if (object === null) throw new Error(`${key} is not there yet`);
    return parseCanonical(signed(schema), object.bytes, key).body;
  }

  roster = (round = 1): Promise<Roster> => this.#read(rosterSchema, keys.roster(this.run, round));
  close = (round = 1): Promise<Close> => this.#read<Close>(closeSchema, keys.close(this.run, round));

  /** What the manifest before a round is called. */
  async manifestBefore(round: number): Promise<string> {
    if (round === 1) return this.deciding.genesis.hash;
    const object = await this.store.get(keys.manifest(this.run, round - 1));
    if (object === null) throw new Error(`manifest ${round - 1} is not there yet`);
    return hashOf(JSON.parse(new TextDecoder().decode(object.bytes)).body);
  }

  registration(key: SigningKey, changes: Record<string, unknown> = {}): Uint8Array {
    const body = { run: this.run, peer: key.publicKey, recoveryKey: null, ...changes };
    return signToBytes("registration", this.run, body, key);
  }

  async intent(key: SigningKey, round = 1, changes: Partial<Intent> = {}): Promise<Uint8Array> {
    const body: Intent = {
      round,
      peer: key.publicKey,
      manifest: await this.manifestBefore(round),
      stateHash: this.deciding.genesis.body.state.stateHash,
      leaving: false,
      ...changes,
    };
    return signToBytes("intent", this.run, body, key);
  }

  /** The payload of a peer: drawn from its key, the same every time. */
  async payload(key: SigningKey, round = 1): Promise<Uint8Array[]> {
    const { layout, codec } = this.deciding;
    const { keep, beta } = await this.roster(round);
    const noise = derivedSeed(key.publicKey, `payload of ${round}`);
    const delta = Float32Array.from(
      { length: layout.parameters },
      (_, i) => ((noise[i % 32] ?? 0) * (i + 1) * 2_654_435_761) % 1_000,
    );
    const [error, next] = [new Float32Array(delta.length), new Float32Array(delta.length)];
    return codec.compressUpdate(layout, delta, error, next, { round, k: keep, beta: f32FromHex(beta) });
  }

  async commitBody(key: SigningKey, round = 1, changes: Partial<Commit> = {}): Promise<Commit> {
    const roster = await this.roster(round);
    const base = await this.#read(stateSchema, keys.state(this.run, round - 1));
    const slices = await Promise.all(
      proofRanges(roster.seed, this.deciding.layout.parameters).map(({ start, end }) =>
        readElements(this.deciding, round - 1, start, end),
      ),
    );
    return {
      round,
      peer: key.publicKey,
      manifest: roster.previousManifest,
      stateHash: base.stateHash,
      stateProof: stateProof(roster.seed, key.publicKey, slices),
      shards: (await this.payload(key, round)).map((bytes, shard) => ({
        shard,
        sizeBytes: bytes.length,
        sha256: sha256(bytes),
      })),
      claimed: { innerSteps: 2, tokens: 32, meanLoss: 5 },
      ...changes,
    };
  }

  async commit(key: SigningKey, round = 1, changes: Partial<Commit> = {}): Promise<Uint8Array> {
    return signToBytes("commit", this.run, await this.commitBody(key, round, changes), key);
  }

  async report(evaluator: SigningKey, round = 1, changes: Partial<Report> = {}): Promise<Uint8Array> {
    const close = await this.close(round);
    const [job] = close.plan.jobs;
    if (job === undefined) throw new Error(`round ${round} has no jobs`);
    const base = await this.#read(stateSchema, keys.state(this.run, round - 1));
    const others = changes.others ?? [];
    const sequences =
      close.plan.anchor.length + job.owned.flat().length + close.plan.privateSequences * (1 + others.length);
    const losses = (loss: number) => packLosses(new Array<number>(sequences).fill(loss));
    const body: Report = {
      round,
      job: job.job,
      evaluator: evaluator.publicKey,
      close: hashOf(close),
      stateHash: base.stateHash,
      others,
      base: losses(5),
      canary: job.canary === null ? null : losses(5),
      seconds: 0.5,
      losses: job.peers.map((peer, i) => ({ peer, losses: losses(4 - i / 10) })),
      ...changes,
    };
    return signToBytes("report", this.run, body, evaluator);
  }

  path(rest: string): string {
    return `/runs/${this.run}${rest}`;
  }

  async #expect(what: string, answer: Promise<Answer>): Promise<Answer> {
    const { status, text, ...rest } = await answer;
    if (status !== 200) throw new Error(`${what} was refused: ${status} ${text}`);
    return { status, text, ...rest };
  }

  async announce(key: SigningKey, round = 1): Promise<void> {
    await this.#expect("registration", this.post(key, this.path("/peers"), this.registration(key)));
    const intent = await this.intent(key, round);
    await this.#expect("intent", this.post(key, this.path(`/rounds/${round}/intents`), intent));
  }

  /** Announces a round for these peers and makes its roster. */
  async toRoster(peers: readonly SigningKey[], round = 1): Promise<void> {
    for (const key of peers) await this.announce(key, round);
    await this.advance();
    await this.roster(round);
  }

  async deliver(key: SigningKey, round = 1): Promise<void> {
    const bytes = await this.commit(key, round);
    const answer = await this.#expect("commit", this.post(key, this.path(`/rounds/${round}/commits`), bytes));
    const shards = await this.payload(key, round);
    for (const { shard, ticket } of answer.body.tickets) {
      const body = new Uint8Array(shards[shard] ?? []);
      const { url, method, headers } = ticket;
      await this.#expect("upload", answerOf(await this.app.request(url, { method, headers, body })));
      await checkUpload(this.deciding, { round, peer: key.publicKey, shard });
    }
  }

  /** From an announced roster to the close: everybody delivers. */
  async toClose(peers: readonly SigningKey[], round = 1): Promise<void> {
    await this.toRoster(peers, round);
    for (const key of peers) await this.deliver(key, round);
    await this.advance();
    await this.close(round);
  }

  async guard(evaluator: SigningKey, round = 1, changes: Partial<GuardReport> = {}): Promise<Uint8Array> {
    const close = await this.close(round);
    const base = await this.#read(stateSchema, keys.state(this.run, round - 1));
    const selection = await this.#read(selectionSchema, keys.selection(this.run, round));
    const losses = (loss: number) => packLosses(new Array<number>(close.plan.anchor.length).fill(loss));
    const body: GuardReport = {
      round,
      set: "selected",
      evaluator: evaluator.publicKey,
      selection: hashOf(selection),
      stateHash: base.stateHash,
      base: losses(5),
      after: losses(4.5),
      ...changes,
    };
    return signToBytes("guard", this.run, body, evaluator);
  }

  /** From the close to the manifest: two evaluators report and guard, functions do their work. */
  async toManifest(round = 1): Promise<void> {
    for (const key of JUDGES) {
      const bytes = await this.report(key, round);
      const { job } = JSON.parse(new TextDecoder().decode(bytes)).body;
      await this.#expect("report", this.post(key, this.path(`/rounds/${round}/reports/${job}`), bytes));
    }
    await this.advance();
    for (const key of JUDGES) {
      const path = this.path(`/rounds/${round}/guards/selected`);
      await this.#expect("guard's report", this.post(key, path, await this.guard(key, round)));
    }
    for (const { number } of this.deciding.layout.shards)
      await aggregateShard(this.deciding, round, number, "selected");
    await this.advance();
    await this.writeState(round);
  }

  async writeState(round: number): Promise<void> {
    for (const { number } of this.deciding.layout.shards) await writeStateShard(this.deciding, round, number);
  }

  /** A round without submissions: announced, then every deadline passes. */
  async emptyRound(peers: readonly SigningKey[], round: number): Promise<void> {
    await this.toRoster(peers, round);
    this.passTime(3_600_000);
    await this.advance();
    await this.writeState(round);
    await this.manifestBefore(round + 1);
  }

  /** Decides until there is nothing left to decide, as a tick does. */
  async advance(): Promise<void> {
    const { facts } = await advance(this.deciding, { from: 1, send: async () => {} });
    this.openRounds.set(this.run, facts.round);
    this.changes.emit(this.run);
  }

  passTime(ms: number): void {
    this.clock.aheadMs += ms;
  }
}
