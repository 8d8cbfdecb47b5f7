/**
 * Plays a run with an attack, or without one: the honest peers and evaluators do what the product's do, with its code.
 *
 * @module
 */
import { heldOutTokens, roundWindows } from "../../../functions/coordinator/assignment.ts";
import { Draw } from "../../../functions/coordinator/draws.ts";
import { type FinishedRound, receiptsOf } from "../../../functions/coordinator/receipts.ts";
import { ledgerOf, readFinishedRound } from "../../../functions/rounds/history.ts";
import {
  type Commit,
  close as closeSchema,
  isOuterloopError,
  keys,
  type LedgerEntry,
  parseCanonical,
  type Receipt,
  type Report,
  type Roster,
  type RunConfig,
  report as reportSchema,
  roster as rosterSchema,
  type SigningKey,
  sha256,
  signed,
  signToBytes,
} from "../../../schemas/index.ts";
import { doJob, type EvaluatorTools } from "../../../workers/evaluator/jobs.ts";
import { createParameterWindow } from "../../../workers/evaluator/parameter-window.ts";
import { windowsAt } from "../../../workers/model/index.ts";
import { compressRound } from "../../../workers/peer/compress.ts";
import { uploadShards } from "../../../workers/peer/deliver.ts";
import type { PeerState } from "../../../workers/peer/peer-state.ts";
import { settledError } from "../../../workers/peer/settle.ts";
import {
  type AgreedParameters,
  nextManifest,
  outerStep,
  stateHash,
} from "../../../workers/replica/parameters.ts";
import { openRunView, type RunView } from "../../../workers/replica/run-view.ts";
import type { Attack, HonestUpdate, Scene, Sent } from "./attack.ts";
import { arenaConfig, HONEST_PEERS } from "./config.ts";
import type { Gym } from "./gym.ts";
import { keyOf, World } from "./world.ts";

const EVALUATORS = 3;

export interface Played {
  /** After each round. */
  heldOut: number[];
  honest: readonly string[];
  attackers: readonly string[];
  /** Receipts of each round. */
  rounds: { outcome: string; receipts: Receipt[]; finished: FinishedRound }[];
  ledger: ReadonlyMap<string, LedgerEntry>;
  evaluatorSeconds: number;
  judgedUpdates: number;
}

export interface PlayOptions {
  seed: number;
  gym: Gym;
  tokens: Uint16Array;
  attack?: Attack | undefined;
  rounds?: number;
  honest?: number;
  config?: (config: RunConfig) => RunConfig;
}

interface LateUpload {
  /** After everybody else's. */
  lateMs: number;
  upload: () => Promise<void>;
}

/** A peer of the arena. */
interface Member {
  key: SigningKey;
  state: PeerState;
}

export async function play({
  seed,
  gym,
  tokens,
  attack,
  rounds,
  honest = HONEST_PEERS,
  config,
}: PlayOptions): Promise<Played> {
  const attackerCount = attack?.keys ?? 0;
  const all = sortedKeys(seed, honest + attackerCount);
  // The honest stand first in every roster, so that they train the same windows whether attackers come or not.
  const [honestKeys, attackKeys] = [all.slice(0, honest), all.slice(honest)];
  const evaluatorKeys = Array.from({ length: EVALUATORS }, (_, i) => keyOf(`evaluator-${i}`));
  const base = { ...arenaConfig, ...(rounds === undefined ? {} : { rounds }) };
  const own = attack?.config?.(base) ?? base;
  const full = config?.(own) ?? own;
  const world = await World.create(seed, full, evaluatorKeys);
  const view = await openRunView(world.client(keyOf("reader")), world.run);
  const arena = new Arena({ world, view, gym, tokens, attack, seed, config: full });
  await arena.begin(honestKeys, attackKeys, evaluatorKeys);
  const heldOut: number[] = [];
  for (let round = 1; round <= full.rounds; round++) {
    await arena.round(round);
    heldOut.push(await arena.heldOutLoss());
  }
  const finished = await Promise.all(
    Array.from({ length: full.rounds }, (_, i) => readFinishedRound(world.deciding, i + 1)),
  );
  return {
    heldOut,
    honest: honestKeys.map(({ publicKey }) => publicKey),
    attackers: attackKeys.map(({ publicKey }) => publicKey),
    rounds: finished.map((one) => ({
      outcome: one.manifest.body.outcome,
      receipts: receiptsOf(one),
      finished: one,
    })),
    ledger: (await ledgerOf(world.deciding, full.rounds)).entries,
    evaluatorSeconds: arena.evaluatorSeconds,
    judgedUpdates: arena.judgedUpdates,
  };
}

/** Ascending by id; the first ones do not depend on how many follow. */
function sortedKeys(seed: number, count: number): SigningKey[] {
  const drawn: SigningKey[] = [];
  // Ids are spread evenly: of keys whose id begins with the wanted digits there is one among sixteen.
  for (let place = 0; place < count; place++) {
    for (let i = 0; ; i++) {
      const key = keyOf(`peer ${seed} ${place} ${i}`);
      if (key.publicKey.startsWith(idPrefix(place))) {
        drawn.push(key);
        break;
      }
    }
  }
  return drawn;
}

/** Two digits that ascend with the place; 256 places. */
function idPrefix(place: number): string {
  return place.toString(16).padStart(2, "0");
}

class Arena {
  readonly #world: World;
  readonly #view: RunView;
  readonly #gym: Gym;
  readonly #tokens: Uint16Array;
  readonly #attack: Attack | undefined;
  readonly #seed: number;
  readonly #config: RunConfig;
  #honest: Member[] = [];
  #attackers: Member[] = [];
  #evaluators: { tools: EvaluatorTools; bought: boolean }[] = [];
  #agreed: AgreedParameters | undefined;
  readonly #history = new Map<number, HonestUpdate[]>();
  readonly #own = new Map<string, Map<number, Float32Array>>();
  readonly #memory = new Map<string, unknown>();
  readonly #reports: Report[] = [];
  evaluatorSeconds = 0;
  judgedUpdates = 0;

  constructor(parts: {
    world: World;
    view: RunView;
    gym: Gym;
    tokens: Uint16Array;
    attack: Attack | undefined;
    seed: number;
    config: RunConfig;
  }) {
    this.#world = parts.world;
    this.#view = parts.view;
    this.#gym = parts.gym;
    this.#tokens = parts.tokens;
    this.#attack = parts.attack;
    this.#seed = parts.seed;
    this.#config = parts.config;
  }

  async begin(
    honest: readonly SigningKey[],
    attackers: readonly SigningKey[],
    evaluators: readonly SigningKey[],
  ): Promise<void> {
    const { state } = this.#view.genesis.body;
    const bytes = await Promise.all(
      state.shards.map(({ shard }) => this.#view.api.object(keys.stateShard(this.#world.run, 0, shard))),
    );
    const theta = new Float32Array(
      Buffer.concat(bytes.map((one) => one ?? new Uint8Array())).buffer.slice(0),
    );
    this.#agreed = { round: 0, manifest: this.#view.genesis.hash, theta };
    const fresh = (key: SigningKey): Member => ({ key, state: this.#freshState() });
    this.#honest = honest.map(fresh);
    this.#attackers = attackers.map(fresh);
    for (const { key } of [...this.#honest, ...this.#attackers]) {
      const body = { run: this.#world.run, peer: key.publicKey, recoveryKey: null };
      await this.#world
        .client(key)
        .register(this.#world.run, signToBytes("registration", this.#world.run, body, key));
    }
    this.#evaluators = evaluators.map((key, i) => {
      const bought = i >= evaluators.length - (this.#attack?.evaluators ?? 0);
      return { bought, tools: this.#tools(key, bought) };
    });
  }

  #freshState(): PeerState {
    const { theta, round, manifest } = this.#agreedNow();
    const zeros = () => new Float32Array(theta.length);
    return {
      round,
      manifest,
      innerSteps: 0,
      parameters: theta,
      error: zeros(),
      m: zeros(),
      v: zeros(),
      pending: null,
    };
  }

  #agreedNow(): AgreedParameters {
    if (this.#agreed === undefined) throw new Error("the arena has not begun");
    return this.#agreed;
  }

  #tools(key: SigningKey, bought: boolean): EvaluatorTools {
    const api = this.#world.client(key);
    const lying = {
      ...api,
      report: async (run: string, round: number, job: string, bytes: Uint8Array) => {
        const truth = parseCanonical(signed(reportSchema), bytes, "report").body;
        const said = this.#attack?.report?.(truth, {
          round,
          keys: this.#attackers.map((one) => one.key.publicKey),
          earlier: this.#reports.filter((one) => one.round === round && one.job === job),
        });
        if (said === null) return { outcome: "exists" as const, key: "" };
        return api.report(
          run,
          round,
          job,
          said === undefined ? bytes : signToBytes("report", run, said, key),
        );
      },
    };
    const seen = {
      ...(bought && this.#attack?.report !== undefined ? lying : api),
    };
    const recording = {
      ...seen,
      report: async (run: string, round: number, job: string, bytes: Uint8Array) => {
        this.#reports.push(parseCanonical(signed(reportSchema), bytes, "report").body);
        return seen.report(run, round, job, bytes);
      },
    };
    const view = { ...this.#view, api: recording };
    return {
      view,
      key,
      tokens: this.#tokens,
      model: this.#gym.model,
      parameters: createParameterWindow(view),
      report: (event) => {
        if (event.kind === "judged") this.judgedUpdates += event.updates;
      },
      reported: new Set(),
      bench: null,
    };
  }

  async heldOutLoss(): Promise<number> {
    const starts = heldOutTokens(this.#view.data, this.#config);
    const batch = windowsAt(this.#tokens, starts, this.#config.model.sequenceLength);
    const losses = await this.#gym.model.losses(this.#agreedNow().theta, batch);
    return losses.reduce((sum, one) => sum + one, 0) / losses.length;
  }

  async round(round: number): Promise<void> {
    const world = this.#world;
    const acting = this.#attackers.filter((_, i) => this.#attack?.announces?.(round, i) ?? true);
    for (const member of [...this.#honest, ...acting]) await this.#announce(round, member);
    if ((await world.decide()) === "gather") world.passTime(60_000);
    await world.decide();
    const roster = await this.#read(rosterSchema, keys.roster(world.run, round));

    const honest = await this.#trainHonest(round, roster);
    const late: LateUpload[] = [];
    const sent = await this.#attackersSend(round, roster, acting, honest, late);
    for (const deliver of [...honest.map(({ deliver }) => deliver), ...sent]) await deliver();
    if (late.length > 0) {
      // All of them together: evaluators would have been at work meanwhile.
      world.passTime(Math.max(...late.map(({ lateMs }) => lateMs)));
      await world.decide();
      for (const { upload } of late) await upload();
    }
    if ((await world.decide()) === "train") await this.#throughDeadlines();
    await this.#judge(round);
    await this.#step(round);
  }

  async #announce(round: number, { key, state }: Member): Promise<void> {
    const { run } = this.#world;
    const body = {
      round,
      peer: key.publicKey,
      manifest: state.manifest,
      stateHash: stateHash(this.#view, state.parameters),
      leaving: false,
    };
    await this.#world.client(key).announce(run, round, signToBytes("intent", run, body, key));
  }

  async #trainHonest(round: number, roster: Roster) {
    const made = await Promise.all(
      this.#honest.map(async (member) => {
        const position = roster.peers.findIndex(({ peer }) => peer === member.key.publicKey);
        const trained = await this.#train(member.state, round, roster, position);
        member.state = await compressRound(this.#view, member.key.publicKey, roster, member.state, trained);
        const shards = member.state.pending?.shards ?? [];
        const update: HonestUpdate = {
          peer: member.key.publicKey,
          position,
          shards,
          values: this.#decoded(round, roster, shards),
        };
        return { update, deliver: () => this.#deliver(member, member.state.pending?.commit, shards) };
      }),
    );
    this.#history.set(
      round,
      made.map(({ update }) => update),
    );
    return made;
  }

  #train(
    state: PeerState,
    round: number,
    roster: Roster,
    position: number,
    steps = this.#config.inner.steps,
  ) {
    const windows = roundWindows(roster.seed, this.#view.data, this.#config, roster.peers.length);
    const config = { ...this.#config, inner: { ...this.#config.inner, steps } };
    return this.#gym.train({ start: state, round, config, position, windows, onStep: () => {} });
  }

  #decoded(round: number, roster: Roster, shards: readonly Uint8Array[]): Float32Array {
    const { layout, codec } = this.#view;
    const values = new Float32Array(layout.parameters);
    for (const [shard, bytes] of shards.entries())
      codec.addScaled(codec.parseShard(bytes, { layout, shard, round, k: roster.keep }), 1, values);
    return values;
  }

  async #attackersSend(
    round: number,
    roster: Roster,
    acting: readonly Member[],
    honest: readonly { update: HonestUpdate }[],
    late: LateUpload[],
  ): Promise<(() => Promise<void>)[]> {
    const deliveries: (() => Promise<void>)[] = [];
    for (const member of acting) {
      const index = this.#attackers.indexOf(member);
      const position = roster.peers.findIndex(({ peer }) => peer === member.key.publicKey);
      if (position < 0) continue;
      const own = this.#own.get(member.key.publicKey) ?? new Map<number, Float32Array>();
      this.#own.set(member.key.publicKey, own);
      let trained: Awaited<ReturnType<Gym["train"]>> | undefined;
      const scene: Scene = {
        round,
        index,
        keys: this.#attackers.map(({ key }) => key),
        view: this.#view,
        roster,
        position,
        state: member.state,
        draw: new Draw(sha256(new TextEncoder().encode(`${this.#seed}`)), `attack/${index}/${round}`),
        honest: honest.map(({ update }) => update),
        history: this.#history,
        own,
        memory: this.#memory,
        train: async ({ position: other = position, steps = this.#config.inner.steps } = {}) => {
          trained = await this.#train(member.state, round, roster, other, steps);
          const result = trained.parameters;
          return member.state.parameters.map((value, i) => value - (result[i] ?? 0));
        },
      };
      const sent = (await this.#attack?.submit?.(scene)) ?? { kind: "nothing" as const };
      if (sent.kind === "nothing") continue;
      const lateMs = "lateSeconds" in sent ? 1_000 * (sent.lateSeconds ?? 0) : 0;
      const takesLate = (upload: () => Promise<void>) => void late.push({ lateMs, upload });
      deliveries.push(
        await this.#deliveryOf(member, roster, sent, trained, own, lateMs > 0 ? takesLate : undefined),
      );
    }
    return deliveries;
  }

  async #deliveryOf(
    member: Member,
    roster: Roster,
    sent: Exclude<Sent, { kind: "nothing" }>,
    trained: Awaited<ReturnType<Gym["train"]>> | undefined,
    own: Map<number, Float32Array>,
    late: ((upload: () => Promise<void>) => void) | undefined,
  ): Promise<() => Promise<void>> {
    const { state, key } = member;
    const target = (delta: Float32Array) => ({
      parameters: state.parameters.map((value, i) => value - (delta[i] ?? 0)),
      m: trained?.m ?? state.m,
      v: trained?.v ?? state.v,
      innerSteps: trained?.innerSteps ?? state.innerSteps + this.#config.inner.steps,
      tokens: 1,
      meanLoss: 1,
    });
    const delta = sent.kind === "delta" ? sent.delta : new Float32Array(state.parameters.length);
    const start =
      sent.kind === "delta" && sent.feedback === true
        ? state
        : { ...state, error: new Float32Array(delta.length) };
    member.state = await compressRound(this.#view, key.publicKey, roster, start, target(delta));
    const { pending } = member.state;
    if (pending === null) throw new Error("compressing leaves something to send");
    const shards = sent.kind === "shards" ? sent.shards : pending.shards;
    if (sent.kind === "delta") own.set(roster.round, this.#decoded(roster.round, roster, shards));
    const honestCommit: Commit = {
      ...pending.commit,
      shards: shards.map((bytes, shard) => ({ shard, sizeBytes: bytes.length, sha256: sha256(bytes) })),
    };
    const commit = "commit" in sent && sent.commit !== undefined ? sent.commit(honestCommit) : honestCommit;
    member.state = { ...member.state, pending: { ...pending, commit, shards } };
    return () => this.#deliver(member, commit, sent.kind === "commit-only" ? null : shards, late);
  }

  /** What the API refuses is the attacker's loss. `late`: takes the upload, to be done after everybody else's. */
  async #deliver(
    { key }: Member,
    commit: Commit | undefined,
    shards: readonly Uint8Array[] | null,
    late?: (upload: () => Promise<void>) => void,
  ): Promise<void> {
    if (commit === undefined) return;
    const { run } = this.#world;
    const api = this.#world.client(key);
    const unlessRefused = async (work: () => Promise<void>) => {
      try {
        await work();
      } catch (error) {
        if (!isOuterloopError(error)) throw error;
      }
    };
    await unlessRefused(async () => {
      const { tickets } = await api.commit(run, commit.round, signToBytes("commit", run, commit, key));
      if (shards === null) return;
      const upload = () =>
        unlessRefused(async () => {
          await uploadShards(api, run, commit.round, shards, tickets);
          for (const shard of shards.keys()) await this.#world.uploaded(commit.round, key.publicKey, shard);
        });
      if (late === undefined) await upload();
      else late(upload);
    });
  }

  /** Somebody is waited for who does not come: first for its commit, then for its upload. */
  async #throughDeadlines(): Promise<void> {
    for (let i = 0; i < 8; i++) {
      this.#world.passTime(10_000);
      if ((await this.#world.decide()) !== "train") return;
    }
    throw new Error("the round does not end");
  }

  async #judge(round: number): Promise<void> {
    const world = this.#world;
    const slow = this.#attack?.slowEvaluators?.(round) === true ? await this.#jobsOfAttackers(round) : [];
    let phase = "evaluate";
    for (let turn = 0; world.round === round; turn++) {
      if (turn > 400) throw new Error(`round ${round} does not end`);
      const job = world.jobs.shift();
      if (job === undefined) {
        world.passTime(5_000);
        phase = await world.decide();
        continue;
      }
      // What judges updates that were used unjudged may come a round late.
      if (job.round !== round && !(job.type === "judge" && job.round === round - 1)) continue;
      if (job.round === round && job.type === "judge" && slow.includes(job.job) && phase === "evaluate")
        continue;
      // Whoever is free takes it; the order turns, so that nobody always comes first.
      const order = this.#evaluators.map(
        (_, i) => this.#evaluators[(i + turn + round) % this.#evaluators.length],
      );
      const free = order.find(
        (one) => one !== undefined && !("others" in job && job.others.includes(one.tools.key.publicKey)),
      );
      if (free === undefined) continue;
      const startedMs = performance.now();
      await doJob(free.tools, job, new AbortController().signal).catch((error: unknown) => {
        if (!isOuterloopError(error)) throw error;
      });
      this.evaluatorSeconds += (performance.now() - startedMs) / 1_000;
      phase = await world.decide();
    }
  }

  async #jobsOfAttackers(round: number): Promise<string[]> {
    const { plan } = await this.#read(closeSchema, keys.close(this.#world.run, round));
    const attackers = new Set(this.#attackers.map(({ key }) => key.publicKey));
    return plan.jobs.filter(({ peers }) => peers.some((peer) => attackers.has(peer))).map(({ job }) => job);
  }

  /** Everybody settles its error feedback and takes the outer step. */
  async #step(round: number): Promise<void> {
    const before = this.#agreedNow();
    const manifest = await nextManifest(this.#view, before);
    if (manifest === null) throw new Error(`round ${round} has no manifest`);
    const after = await outerStep(this.#view, before, manifest);
    this.#agreed = after;
    for (const member of [...this.#honest, ...this.#attackers]) {
      const { pending, error } = member.state;
      const view = this.#view;
      const settled =
        pending === null
          ? error
          : await settledError(view, member.key.publicKey, error, pending, manifest.body.keep).catch(
              () => error,
            );
      member.state = {
        ...member.state,
        round,
        manifest: manifest.hash,
        parameters: after.theta,
        error: settled,
        pending: null,
      };
    }
  }

  async #read<Body>(schema: Parameters<typeof signed<Body>>[0], key: string): Promise<Body> {
    const object = await this.#world.store.get(key);
    if (object === null) throw new Error(`${key} is not there`);
    return parseCanonical(signed(schema), object.bytes, key).body;
  }
}
