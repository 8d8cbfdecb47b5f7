/**
 * A whole run in an object store in memory, on a clock that tests turn: a model of two shards, two deciding processes
 * whose clocks differ, peers and evaluators that go through the API's own functions. Every store operation is a point at which
 * somebody else may go first.
 *
 * @module
 */

import {
  type AggregateSet,
  type Close,
  type Commit,
  type Control,
  close as closeSchema,
  derivedSeed,
  f32FromHex,
  type GuardReport,
  hashOf,
  keys,
  parseCanonical,
  type Roster,
  type RunConfig,
  roster as rosterSchema,
  type SigningKey,
  sha256,
  signed,
  signingKey,
  signToBytes,
  toHex,
  toInstant,
} from "../../../schemas/index.ts";
import { activateRun, chainLength, createRun, type RunKeys } from "../../../workers/local/create-run.ts";
import { acceptGuard, acceptReport } from "../../api/evaluate.ts";
import { acceptCommit, announce, register } from "../../api/submit.ts";
import { createNudger } from "../../rounds/nudger.ts";
import { openRun, type RunContext, type RunSecrets } from "../../rounds/run-context.ts";
import { readElements } from "../../rounds/state-files.ts";
import { createMemoryObjectStore } from "../../storage/memory-object-store.ts";
import { listAll, type ObjectStore } from "../../storage/object-store.ts";
import type { Queue } from "../../storage/queue.ts";
import type { TriggerEnvironment } from "../../triggers/environment.ts";
import { Draw } from "../draws.ts";
import { packLosses } from "../gauntlet/losses.ts";
import { seedChain } from "../seed-chain.ts";
import { proofRanges, stateProof } from "../state-check.ts";
import { T0, testConfig } from "./facts.ts";

const tickets = { ticketSecret: "a secret of the test suite", baseUrl: "http://store.test" };
const keyOf = (name: string) => signingKey(derivedSeed("tests", name));

/** Two shards of one chunk, and raw norms. */
export const memoryRunConfig: RunConfig = {
  ...testConfig,
  rounds: 3,
  model: { ...testConfig.model, vocabulary: 4_096, width: 2, feedForward: 2 },
  gather: { minPeers: 2, expectedAtStart: 3, maxPeers: 16, announceWindowSeconds: 10 },
  gauntlet: { ...testConfig.gauntlet, ownersPerGroup: 4 },
};

const evaluatorKeys = [keyOf("evaluator-1"), keyOf("evaluator-2")];

const runKeys: RunKeys = {
  roots: [keyOf("root-1"), keyOf("root-2")],
  coordinator: keyOf("coordinator"),
  api: keyOf("api"),
  evaluators: evaluatorKeys.map(({ publicKey }) => publicKey),
  chainId: toHex(derivedSeed("tests", "chain-id")),
  lastLink: toHex(derivedSeed("tests", "chain")),
  parameterSeed: derivedSeed("tests", "parameters"),
};

/** What the deciding functions of {@link memoryRunConfig} hold. */
export const memoryRunSecrets: RunSecrets = {
  coordinator: runKeys.coordinator,
  chain: seedChain(runKeys.chainId, runKeys.lastLink, chainLength(memoryRunConfig.rounds)),
};

/** A clock that stands until it is turned. */
export interface Clock {
  nowMs: number;
}

export const storeAt = (clock: Clock) => createMemoryObjectStore({ ...tickets, now: () => clock.nowMs });

/** A process among others: it waits here before every operation. */
export interface Lane {
  /** Resolves when it is the caller's turn. */
  turn(): Promise<void>;
}

/**
 * Puts operations of several processes into a drawn order, one at a time. Who has the highest rank goes first, and ranks
 * are drawn anew only now and then: so one process may stand still while another does all its work.
 */
export class Interleaver {
  readonly #draw: Draw;
  readonly #waiting: { lane: { rank: number }; go: () => void }[] = [];

  constructor(seed: string) {
    this.#draw = new Draw(seed, "interleaving");
  }

  lane(): Lane {
    const lane = { rank: this.#draw.integer(1_000) };
    return { turn: () => new Promise((go) => this.#waiting.push({ lane, go })) };
  }

  /** Gives turns until all of the work is done. */
  async run(work: readonly Promise<unknown>[]): Promise<void> {
    let open = work.length;
    const settled = Promise.allSettled(work.map((one) => one.finally(() => open--)));
    while (open > 0) {
      await new Promise((resolve) => setImmediate(resolve));
      const first = Math.max(...this.#waiting.map(({ lane }) => lane.rank));
      const at = this.#waiting.findIndex(({ lane }) => lane.rank === first);
      const [next] = at < 0 ? [] : this.#waiting.splice(at, 1);
      if (next === undefined) continue;
      if (this.#draw.integer(8) === 0) next.lane.rank = this.#draw.integer(1_000);
      next.go();
    }
    for (const result of await settled) if (result.status === "rejected") throw result.reason;
  }
}

/** The store as one process sees it: its operations wait for their turn, its clock may be wrong. */
function seenBy(store: ObjectStore, lane: Lane, skewMs: number): ObjectStore {
  const turn =
    <Args extends unknown[], Result>(operation: (...args: Args) => Promise<Result>) =>
    async (...args: Args) => {
      await lane.turn();
      return operation(...args);
    };
  return {
    now: turn(async () => (await store.now()) + skewMs),
    head: turn(store.head),
    get: turn(store.get),
    range: turn(store.range),
    stream: turn(store.stream),
    putIfAbsent: turn(store.putIfAbsent),
    compareAndSwap: turn(store.compareAndSwap),
    list: turn(store.list),
    delete: turn(store.delete),
    presignPut: turn(store.presignPut),
    presignGet: turn(store.presignGet),
  };
}

/** A queue that only keeps what was sent: tests lose, double and re-order it. */
function mailbox(bodies: string[]): Queue {
  const never = async () => {
    throw new Error("tests take messages out of the mailbox themselves");
  };
  return {
    send: async (body) => {
      bodies.push(body);
    },
    receive: never,
    extend: never,
    ack: never,
    bury: never,
    deadLetters: never,
  };
}

export interface Acknowledged {
  round: number;
  peer: string;
  commit: string;
}

/** Everything that a test turns, and everything it looks at in the end. */
export class RunInMemory {
  readonly clock: Clock = { nowMs: T0 };
  readonly store: ObjectStore = storeAt(this.clock);
  readonly run: string;
  readonly interleaver: Interleaver;
  /** Bodies of messages to functions that nobody has taken yet. */
  readonly messages: string[] = [];
  readonly acknowledged: Acknowledged[] = [];
  readonly errors: string[] = [];
  readonly peers: SigningKey[];
  #controls = 0;
  #apiCache: RunContext["cache"] | undefined;
  #memberContext: Promise<RunContext> | undefined;
  readonly #payloads = new Map<string, Uint8Array[]>();
  readonly #seed: string;

  private constructor(run: string, seed: string, peers: number) {
    this.run = run;
    this.#seed = seed;
    this.interleaver = new Interleaver(seed);
    this.peers = Array.from({ length: peers }, (_, i) => keyOf(`peer-${i}`)).sort((a, b) =>
      a.publicKey < b.publicKey ? -1 : 1,
    );
  }

  static async create(seed: string, { peers = 4 } = {}): Promise<RunInMemory> {
    const genesis = await initialObjects();
    const made = new RunInMemory(genesis.run, seed, peers);
    for (const [key, bytes] of genesis.objects) await made.store.putIfAbsent(key, bytes);
    const context = await made.reader();
    for (const key of made.peers) {
      const body = { run: made.run, peer: key.publicKey, recoveryKey: null };
      await register(context, key.publicKey, signToBytes("registration", made.run, body, key));
    }
    return made;
  }

  /** A fresh reader of the store as it is, with nothing cached. */
  reader(secrets?: RunSecrets): Promise<RunContext> {
    return openRun(this.store, this.run, secrets);
  }

  /** A deciding process, new: its caches are empty, its clock is wrong by `skewMs`. */
  process(skewMs: number): TriggerEnvironment {
    const store = seenBy(this.store, this.interleaver.lane(), skewMs);
    let opened: Promise<RunContext> | undefined;
    const jobs = mailbox([]);
    const functions = mailbox(this.messages);
    return {
      store,
      ticks: functions,
      shards: functions,
      jobs,
      nudger: createNudger(
        { shards: functions, jobs },
        { resendSeconds: { shards: 1, jobs: 1 }, now: () => this.clock.nowMs },
      ),
      log: (level, message) => {
        if (level === "error") this.errors.push(message);
      },
      run: (id) => {
        if (id !== this.run) return openRun(store, id);
        opened ??= openRun(store, id, memoryRunSecrets);
        return opened;
      },
      ticking: new Map(),
      openRounds: new Map(),
      owing: new Set(),
    };
  }

  /** The newest round that is not finished; past the last one when the run is. */
  async openRound(): Promise<number> {
    for (let round = 1; ; round++) {
      if ((await this.store.head(keys.manifest(this.run, round))) === null) return round;
    }
  }

  #bodyOf = async <Body>(schema: Parameters<typeof signed<Body>>[0], key: string): Promise<Body | null> => {
    const object = await this.store.get(key);
    return object === null ? null : parseCanonical(signed(schema), object.bytes, key).body;
  };

  /** The API: each request is a process of its own, with what one of them has read already. */
  async #api(): Promise<RunContext> {
    this.#apiCache ??= (await this.reader()).cache;
    const cached = await this.#members();
    return { ...cached, store: seenBy(this.store, this.interleaver.lane(), 0), cache: this.#apiCache };
  }

  /** What peers and evaluators know of the run; they read without waiting for a turn. */
  #members(): Promise<RunContext> {
    this.#memberContext ??= this.reader();
    return this.#memberContext;
  }

  async announce(peer: SigningKey, leaving = false): Promise<void> {
    const round = await this.openRound();
    const context = await this.#members();
    const last = await this.store.get(keys.manifest(this.run, round - 1));
    const manifest = last === null ? context.genesis.hash : hashOf(JSON.parse(text(last.bytes)).body);
    const body = {
      round,
      peer: peer.publicKey,
      manifest,
      stateHash: sha256(last?.bytes ?? new Uint8Array()),
      leaving,
    };
    await announce(await this.#api(), peer.publicKey, round, signToBytes("intent", this.run, body, peer));
  }

  /** Trains (a drawn pseudo-gradient), commits; remembers the commit if the API acknowledged it. */
  async commit(peer: SigningKey, { wrongState = false } = {}): Promise<void> {
    const round = await this.openRound();
    const roster = await this.#bodyOf(rosterSchema, keys.roster(this.run, round));
    const state = await this.store.get(keys.state(this.run, round - 1));
    if (roster === null || state === null) return;
    const context = await this.#members();
    const slices = await Promise.all(
      proofRanges(roster.seed, context.layout.parameters).map(({ start, end }) =>
        readElements(context, round - 1, start, end),
      ),
    );
    const commit: Commit = {
      round,
      peer: peer.publicKey,
      manifest: roster.previousManifest,
      stateHash: wrongState ? sha256(state.bytes) : JSON.parse(text(state.bytes)).body.stateHash,
      stateProof: stateProof(roster.seed, peer.publicKey, slices),
      shards: this.#payload(context, peer, roster).map((bytes, shard) => ({
        shard,
        sizeBytes: bytes.length,
        sha256: sha256(bytes),
      })),
      claimed: { innerSteps: 4, tokens: 128, meanLoss: 5 },
    };
    const api = { key: async () => runKeys.api };
    await acceptCommit(
      api,
      await this.#api(),
      peer.publicKey,
      round,
      signToBytes("commit", this.run, commit, peer),
    );
    this.acknowledged.push({ round, peer: peer.publicKey, commit: hashOf(commit) });
  }

  #payload(context: RunContext, { publicKey }: SigningKey, { round, keep, beta }: Roster): Uint8Array[] {
    const name = `update/${publicKey}/${round}`;
    const known = this.#payloads.get(name);
    if (known !== undefined) return known;
    const draw = new Draw(this.#seed, name);
    const { parameters } = context.layout;
    const delta = Float32Array.from({ length: parameters }, () => draw.integer(2_001) / 1_000 - 1);
    const [error, next] = [new Float32Array(parameters), new Float32Array(parameters)];
    const made = context.codec.compressUpdate(context.layout, delta, error, next, {
      round,
      k: keep,
      beta: f32FromHex(beta),
    });
    this.#payloads.set(name, made);
    return made;
  }

  /** What is next for an honest peer that is on time: announce, commit, upload what is missing. */
  async takePart(peer: SigningKey): Promise<void> {
    const round = await this.openRound();
    const stands = async (key: string) => (await this.store.head(key)) !== null;
    if (!(await stands(keys.roster(this.run, round)))) {
      if (!(await stands(keys.intent(this.run, round, peer.publicKey)))) await this.announce(peer);
    } else if (!(await stands(keys.commit(this.run, round, peer.publicKey)))) {
      await this.commit(peer);
    } else {
      for (const shard of [0, 1]) {
        if (!(await stands(keys.upload(this.run, round, peer.publicKey, shard))))
          return this.upload(peer, shard);
      }
    }
  }

  /** Uploads one shard of what the peer committed, `broken` with a bit turned; its event goes to the functions' queue. */
  async upload(peer: SigningKey, shard: number, { broken = false, announced = true } = {}): Promise<void> {
    const round = await this.openRound();
    const roster = await this.#bodyOf(rosterSchema, keys.roster(this.run, round));
    if (roster === null || (await this.store.head(keys.commit(this.run, round, peer.publicKey))) === null)
      return;
    const payload = this.#payload(await this.#members(), peer, roster);
    const bytes = (payload[shard % payload.length] ?? new Uint8Array()).slice();
    if (broken) bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    const key = keys.upload(this.run, round, peer.publicKey, shard % payload.length);
    await this.interleaver.lane().turn();
    await this.store.putIfAbsent(key, bytes);
    if (announced) this.messages.push(JSON.stringify({ type: "created", key }));
  }

  /** An evaluator's report on a job of the open round, with a drawn gain for each update; null: not a number. */
  async report(evaluator: number, job: number, gains: readonly (number | null)[]): Promise<void> {
    const round = await this.openRound();
    const close = await this.#bodyOf<Close>(closeSchema, keys.close(this.run, round));
    const planned = close?.plan.jobs[job % Math.max(1, close.plan.jobs.length)];
    const key = evaluatorKeys[evaluator % evaluatorKeys.length];
    if (close === null || planned === undefined || key === undefined) return;
    const state = await this.store.get(keys.state(this.run, round - 1));
    const sequences = close.plan.anchor.length + planned.owned.flat().length + close.plan.privateSequences;
    const losses = (gain: number) => packLosses(new Array<number>(sequences).fill(5 - gain));
    const body = {
      round,
      job: planned.job,
      evaluator: key.publicKey,
      close: hashOf(close),
      stateHash: state === null ? sha256(new Uint8Array()) : JSON.parse(text(state.bytes)).body.stateHash,
      others: [],
      base: losses(0),
      canary: planned.canary === null ? null : losses(0),
      seconds: 1,
      losses: planned.peers.map((peer, i) => ({
        peer,
        losses: losses(gains[i % gains.length] ?? Number.NaN),
      })),
    };
    await acceptReport(
      await this.#api(),
      key.publicKey,
      round,
      planned.job,
      signToBytes("report", this.run, body, key),
    );
    this.messages.push(JSON.stringify({ type: "tick", run: this.run }));
  }

  /** An evaluator's word on a sum of the open round: the anchor loss changes by so much; null: not a number. */
  async guard(evaluator: number, set: AggregateSet, change: number | null): Promise<void> {
    const round = await this.openRound();
    const key = evaluatorKeys[evaluator % evaluatorKeys.length];
    const close = await this.#bodyOf<Close>(closeSchema, keys.close(this.run, round));
    const selection = await this.store.get(keys.selection(this.run, round));
    const state = await this.store.get(keys.state(this.run, round - 1));
    if (key === undefined || close === null || selection === null || state === null) return;
    const losses = (loss: number) => packLosses(new Array<number>(close.plan.anchor.length).fill(loss));
    const body: GuardReport = {
      round,
      set,
      evaluator: key.publicKey,
      selection: hashOf(JSON.parse(text(selection.bytes)).body),
      stateHash: JSON.parse(text(state.bytes)).body.stateHash,
      base: losses(5),
      after: losses(change === null ? Number.NaN : 5 + change),
    };
    const bytes = signToBytes("guard", this.run, body, key);
    await acceptGuard(await this.#api(), key.publicKey, round, set, bytes);
    this.messages.push(JSON.stringify({ type: "tick", run: this.run }));
  }

  /** The operator says something, signed by all roots. */
  async control(action: Control["action"]): Promise<void> {
    this.#controls += 1;
    const body: Control = { number: this.#controls, issuedAt: toInstant(this.clock.nowMs), action };
    await this.store.putIfAbsent(
      keys.control(this.run, body.number),
      signToBytes("control", this.run, body, ...runKeys.roots),
    );
  }

  /** Every object, by key. */
  async objects(): Promise<Map<string, { bytes: Uint8Array; lastModifiedMs: number }>> {
    const found = new Map<string, { bytes: Uint8Array; lastModifiedMs: number }>();
    for (const top of ["active/", "public/", "sealed/", "uploads/"]) {
      for await (const { key } of listAll(this.store, top)) {
        const object = await this.store.get(key);
        if (object !== null) found.set(key, object);
      }
    }
    return found;
  }
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

let created: Promise<{ run: string; objects: Map<string, Uint8Array> }> | undefined;

/** The objects of a fresh run: the same for every test, so made once. */
function initialObjects(): Promise<{ run: string; objects: Map<string, Uint8Array> }> {
  created ??= (async () => {
    const store = storeAt({ nowMs: T0 });
    const run = await createRun(store, {
      slug: "memory",
      config: memoryRunConfig,
      keys: runKeys,
      source: "a line, repeated",
      text: new TextEncoder().encode("Call me Ishmael. ".repeat(300)),
    });
    await activateRun(store, run);
    const objects = new Map<string, Uint8Array>();
    for (const top of ["active/", "public/"]) {
      for await (const { key } of listAll(store, top)) {
        const object = await store.get(key);
        if (object !== null) objects.set(key, object.bytes);
      }
    }
    return { run, objects };
  })();
  return created;
}
