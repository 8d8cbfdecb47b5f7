/**
 * One round of very many peers in a quiet world: what functions ask of store and queues, and what that costs.
 *
 * Peers and evaluators only send what they would send, each signed for itself; nobody polls. So what is counted is what
 * a submission costs the coordinator, and a round, however many there are.
 *
 * @module
 */

import { signRequest } from "../../functions/api/request-signatures.ts";
import { packLosses } from "../../functions/coordinator/gauntlet/losses.ts";
import { proofRanges, stateProof } from "../../functions/coordinator/state-check.ts";
import { openRun, type RunContext } from "../../functions/rounds/run-context.ts";
import type { ObjectStore } from "../../functions/storage/object-store.ts";
import {
  type Close,
  type Commit,
  type CommitAnswer,
  f32FromHex,
  type GuardReport,
  hashOf,
  type Intent,
  keys,
  type Manifest,
  type Report,
  type Roster,
  type RunConfig,
  type Selection,
  type SigningKey,
  sha256,
  signToBytes,
} from "../../schemas/index.ts";
import { dollarsOf } from "../benchmark/storage/request-costs.ts";
import { bytesOf } from "../replica/parameters.ts";
import { createBucket, createDisk } from "./bucket.ts";
import { Coordinator } from "./coordinator.ts";
import { Faults } from "./faults.ts";
import { Random } from "./random.ts";
import { keyOf, ORIGIN, prepareRun, START_MS, simulatedConfig } from "./run.ts";
import { Scheduler } from "./scheduler.ts";
import { Spending, type Surroundings } from "./services.ts";
import { Timeline } from "./timeline.ts";

/** One alone is believed, as one that has been confirmed before: a round of strangers would be judged twice. */
const EVALUATOR = keyOf("evaluator-1");

/** Four shards of one chunk. */
const MODEL = {
  ...simulatedConfig.model,
  vocabulary: 4_096,
  width: 4,
  feedForward: 2,
  heads: 2,
  keyValueHeads: 2,
};
/** Announcements and deliveries are spread over so long: a function may take a while, a round at this size does. */
const SPREAD_MS = 60_000;
const WINDOW_SECONDS = 900;
/** A function over many peers takes longer, and gets more time. */
const LIMITS = { limitMs: 300_000, leaseSeconds: 400, consumers: { ticks: 2, shards: 16 } };
/** Memory of a function, GiB, and what AWS asks for a GiB-second (us-east-1, arm64 or x86 alike to a tenth). */
const FUNCTION_GIB = 1;
const DOLLARS_PER_GIB_SECOND = 0.0000166667;
const UPDATES = 16;

export interface ScaleResult {
  peers: number;
  rounds: number;
  wallSeconds: number;
  /** From the first announcement to the manifest, virtual. */
  roundSeconds: number;
  perSubmission: { storeOperations: number; bytes: number; functionSeconds: number; dollars: number };
  /** Of all functions and of who runs them, evaluators' reads apart. */
  requests: Record<string, number>;
}

/** One round of `peers` peers. Throws unless it is applied with every one of them: another round would cost less. */
export async function simulateScale(
  peers: number,
  onPhase: (phase: string) => void = () => {},
): Promise<ScaleResult> {
  const startedMs = performance.now();
  const world = await World.create(peers);
  const virtualMs = await world.round(onPhase);
  const { spent } = world.coordinator;
  const requests = Object.fromEntries([...spent.requests].sort());
  const functionSeconds = spent.functionMs / 1_000;
  // What deletes a message is priced with what received it.
  const priced = Object.entries(requests).filter(([kind]) => kind !== "ReceiveMessage");
  const dollars =
    dollarsOf(priced.map(([kind, count]) => ({ kind, count }))) +
    functionSeconds * FUNCTION_GIB * DOLLARS_PER_GIB_SECOND;
  return {
    peers,
    rounds: 1,
    wallSeconds: (performance.now() - startedMs) / 1_000,
    roundSeconds: virtualMs / 1_000,
    perSubmission: {
      storeOperations: spent.storeOperations / peers,
      bytes: spent.bytes / peers,
      functionSeconds: functionSeconds / peers,
      dollars: dollars / peers,
    },
    requests,
  };
}

/**
 * Store operations as `slope * peers + fixed`: the line whose errors, as shares of what was counted, are least in squares.
 * `error`: the largest of them, which says nothing of fewer than three sizes.
 */
export function fittedLine(results: readonly ScaleResult[]): { slope: number; fixed: number; error: number } {
  const points = results.map(({ peers, perSubmission }) => ({
    peers,
    operations: perSubmission.storeOperations * peers,
  }));
  const sum = (term: (point: { peers: number; operations: number }) => number) =>
    points.reduce((total, point) => total + term(point) / point.operations ** 2, 0);
  const [one, x, xx] = [sum(() => 1), sum((at) => at.peers), sum((at) => at.peers ** 2)];
  const [y, xy] = [sum((at) => at.operations), sum((at) => at.peers * at.operations)];
  const slope = (one * xy - x * y) / (one * xx - x * x);
  const fixed = (y - slope * x) / one;
  const errors = points.map(({ peers, operations }) => Math.abs((slope * peers + fixed) / operations - 1));
  return { slope, fixed, error: Math.max(...errors) };
}

class World {
  readonly coordinator: Coordinator;
  readonly #around: Surroundings;
  readonly #run: string;
  readonly #reader: RunContext;
  readonly #store: ObjectStore;
  readonly #peers: SigningKey[];
  readonly #random = new Random(1, "world");
  /** What evaluators read and say is not what a submission costs the coordinator. */
  readonly #evaluators = new Spending();
  /** A few different updates: to be distinguished is not what this is about. */
  #updates: Uint8Array[][] = [];

  private constructor(parts: {
    around: Surroundings;
    run: string;
    reader: RunContext;
    store: ObjectStore;
    coordinator: Coordinator;
    peers: number;
  }) {
    this.#around = parts.around;
    this.#run = parts.run;
    this.#reader = parts.reader;
    this.#store = parts.store;
    this.coordinator = parts.coordinator;
    this.#peers = Array.from({ length: parts.peers }, (_, i) => keyOf(`peer-${i}`));
  }

  static async create(peers: number): Promise<World> {
    const prepared = await prepareRun(configFor(peers), [EVALUATOR]);
    const scheduler = new Scheduler(START_MS, new Random(1, "order"));
    const around: Surroundings = {
      seed: 1,
      scheduler,
      faults: new Faults(1, [], () => {}),
      timeline: new Timeline(() => scheduler.nowMs),
      away: [],
    };
    const store = await createDisk(around, prepared);
    const bucket = createBucket(around, store, (key) => coordinator.notify(key));
    const coordinator = new Coordinator(
      around,
      bucket,
      prepared.secrets,
      {
        onSweep: async () => async () => {},
        onError: ({ who, error }) => {
          throw new Error(`${who}: ${String(error)}`, { cause: error });
        },
      },
      LIMITS,
    );
    coordinator.start();
    const reader = await openRun(store, prepared.run);
    return new World({ around, run: prepared.run, reader, store, coordinator, peers });
  }

  /** From the first announcement to the manifest; returns virtual milliseconds. */
  async round(onPhase: (phase: string) => void): Promise<number> {
    const run = this.#run;
    onPhase(`${this.#peers.length} peers announce`);
    this.#each((peer) => this.#announce(peer));
    const roster = await this.#until<Roster>(keys.roster(run, 1));
    onPhase("they commit and upload");
    const slices = proofRanges(roster.seed, this.#reader.layout.parameters);
    const proof = await this.#proof(slices);
    this.#updates = this.#makeUpdates(roster);
    this.#each((peer, i) => this.#deliver(peer, roster, proof, this.#updates[i % UPDATES] ?? []));
    const close = await this.#until<Close>(keys.close(run, 1));
    onPhase(`evaluators report on ${close.plan.jobs.length} jobs`);
    const stateHash = this.#reader.genesis.body.state.stateHash;
    for (const job of close.plan.jobs) {
      const delayMs = this.#random.between(0, SPREAD_MS);
      this.#around.scheduler.after(delayMs, () => void this.#report(close, job, stateHash));
    }
    const selection = await this.#until<Selection>(keys.selection(run, 1));
    onPhase("an evaluator guards the sum, functions aggregate");
    this.#around.scheduler.after(0, () => void this.#guard(close, selection, stateHash));
    const { outcome } = await this.#until<Manifest>(keys.manifest(run, 1));
    const included = close.submissions.filter(({ verdict }) => verdict === "included").length;
    if (outcome !== "applied" || included !== this.#peers.length)
      throw new Error(
        `the round is ${outcome} with ${included} of ${this.#peers.length} peers: it says nothing`,
      );
    onPhase("the manifest stands");
    return this.#around.scheduler.nowMs - START_MS;
  }

  /** Everybody does it, at some time of the spread. */
  #each(work: (peer: SigningKey, index: number) => Promise<void>): void {
    for (const [i, peer] of this.#peers.entries())
      this.#around.scheduler.after(this.#random.between(0, SPREAD_MS), () => void work(peer, i));
  }

  async #until<Body>(key: string): Promise<Body> {
    let bytes: Uint8Array | undefined;
    let looking = false;
    const { scheduler } = this.#around;
    const look = async () => {
      bytes = (await this.#store.get(key))?.bytes;
      looking = false;
    };
    let lookedMs = scheduler.nowMs;
    await scheduler.run(
      START_MS + 24 * 3_600_000,
      () => bytes !== undefined,
      () => {
        if (looking || scheduler.nowMs - lookedMs < 100) return;
        looking = true;
        lookedMs = scheduler.nowMs;
        void look();
      },
    );
    if (bytes === undefined) throw new Error(`${key} never came`);
    return JSON.parse(new TextDecoder().decode(bytes)).body;
  }

  async #post<T>(key: SigningKey, path: string, body: Uint8Array, spent?: Spending): Promise<T> {
    const url = `${ORIGIN}${path}`;
    const request = { method: "POST", url, headers: { "content-type": "application/json" }, body };
    const signed = await signRequest(request, key, this.#around.scheduler.nowMs);
    const headers = { ...signed, "content-length": String(body.length) };
    const init = { method: "POST", headers, body: new Uint8Array(body) };
    const response = await this.coordinator.request(url, init, spent);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  async #announce(key: SigningKey): Promise<void> {
    const run = this.#run;
    const { genesis } = this.#reader;
    const registration = { run, peer: key.publicKey, recoveryKey: null };
    await this.#post(key, `/runs/${run}/peers`, signToBytes("registration", run, registration, key));
    const { stateHash } = genesis.body.state;
    const intent: Intent = {
      round: 1,
      peer: key.publicKey,
      manifest: genesis.hash,
      stateHash,
      leaving: false,
    };
    await this.#post(key, `/runs/${run}/rounds/1/intents`, signToBytes("intent", run, intent, key));
  }

  async #proof(ranges: readonly { start: number; end: number }[]): Promise<Uint8Array[]> {
    const { layout, run } = this.#reader;
    const theta = new Float32Array(layout.parameters);
    for (const { number, first, elements } of layout.shards) {
      const object = await this.#store.get(keys.stateShard(run, 0, number));
      bytesOf(theta, first, elements).set(object?.bytes ?? []);
    }
    return ranges.map(({ start, end }) => bytesOf(theta, start, end - start));
  }

  #makeUpdates({ keep, beta }: Roster): Uint8Array[][] {
    const { layout, codec } = this.#reader;
    return Array.from({ length: UPDATES }, (_, i) => {
      const random = new Random(i, "update");
      const delta = new Float32Array(layout.parameters).map(() => random.fraction() - 0.5);
      const options = { round: 1, k: keep, beta: f32FromHex(beta) };
      const [error, next] = [new Float32Array(layout.parameters), new Float32Array(layout.parameters)];
      return codec.compressUpdate(layout, delta, error, next, options);
    });
  }

  async #deliver(key: SigningKey, roster: Roster, proof: Uint8Array[], update: Uint8Array[]): Promise<void> {
    const run = this.#run;
    const commit: Commit = {
      round: 1,
      peer: key.publicKey,
      manifest: roster.previousManifest,
      stateHash: this.#reader.genesis.body.state.stateHash,
      stateProof: stateProof(roster.seed, key.publicKey, proof),
      shards: update.map((bytes, shard) => ({ shard, sizeBytes: bytes.length, sha256: sha256(bytes) })),
      claimed: { innerSteps: 1, tokens: 1, meanLoss: 1 },
    };
    const answer = await this.#post<CommitAnswer>(
      key,
      `/runs/${run}/rounds/1/commits`,
      signToBytes("commit", run, commit, key),
    );
    for (const { shard, ticket } of answer.tickets) {
      const body = new Uint8Array(update[shard] ?? []);
      const { url, method, headers } = ticket;
      const response = await this.coordinator.request(url, { method, headers, body });
      if (!response.ok) throw new Error(`upload: ${response.status} ${await response.text()}`);
    }
  }

  async #report(close: Close, job: Close["plan"]["jobs"][number], stateHash: string): Promise<void> {
    const sequences = close.plan.anchor.length + job.owned.flat().length + close.plan.privateSequences;
    const losses = (loss: number) => packLosses(new Array<number>(sequences).fill(loss));
    const report: Report = {
      round: 1,
      job: job.job,
      evaluator: EVALUATOR.publicKey,
      close: hashOf(close),
      stateHash,
      others: [],
      base: losses(5),
      canary: job.canary === null ? null : losses(5),
      seconds: 1,
      losses: job.peers.map((peer, at) => ({ peer, losses: losses(4 - at / 100) })),
    };
    const path = `/runs/${this.#run}/rounds/1/reports/${job.job}`;
    await this.#post(EVALUATOR, path, signToBytes("report", this.#run, report, EVALUATOR), this.#evaluators);
  }

  async #guard(close: Close, selection: Selection, stateHash: string): Promise<void> {
    const losses = packLosses(new Array<number>(close.plan.anchor.length).fill(4));
    const report: GuardReport = {
      round: 1,
      set: "selected",
      evaluator: EVALUATOR.publicKey,
      selection: hashOf(selection),
      stateHash,
      base: losses,
      after: losses,
    };
    const path = `/runs/${this.#run}/rounds/1/guards/selected`;
    await this.#post(EVALUATOR, path, signToBytes("guard", this.#run, report, EVALUATOR), this.#evaluators);
  }
}

function configFor(peers: number): RunConfig {
  const { gather, gauntlet, windows } = simulatedConfig;
  return {
    ...simulatedConfig,
    rounds: 1,
    model: MODEL,
    gather: { ...gather, expectedAtStart: peers, maxPeers: peers, announceWindowSeconds: WINDOW_SECONDS },
    windows: {
      ...windows,
      trainSeconds: WINDOW_SECONDS,
      uploadSeconds: WINDOW_SECONDS,
      checkSeconds: WINDOW_SECONDS,
      evaluationSeconds: WINDOW_SECONDS,
      aggregationSeconds: WINDOW_SECONDS,
    },
    gauntlet: {
      ...gauntlet,
      ownersPerGroup: 8,
      // All are judged, each once.
      judging: { ...gauntlet.judging, budgetSeconds: peers, secondOpinions: 0, canaries: 0 },
    },
  };
}
