/**
 * Peers and evaluators: the real ones, on a machine whose network loses things, whose clock is off and which dies now
 * and then. Only what would cost computing is replaced: a peer "trains" a step towards a target, a model's loss is the
 * distance from it.
 *
 * @module
 */
import { type ApiClient, createApiClient, type Host } from "../../functions/api/client.ts";
import { loadStreams } from "../../native/codec.ts";
import {
  type Commit,
  commit as commitSchema,
  parseCanonical,
  type SigningKey,
  sha256,
  signed,
  signToBytes,
} from "../../schemas/index.ts";
import { runEvaluator } from "../evaluator/evaluator.ts";
import type { LossModel } from "../model/index.ts";
import type { InnerLoop } from "../peer/inner-loop.ts";
import { runPeer } from "../peer/peer.ts";
import type { PeerState, PeerStateStore } from "../peer/peer-state.ts";
import type { FaultKind } from "./faults.ts";
import { Random } from "./random.ts";
import { ORIGIN } from "./run.ts";
import { kill } from "./scheduler.ts";
import { type Client, clientNamed, type Surroundings, travel } from "./services.ts";

/** How long a client waits for an answer that never comes. */
const NO_ANSWER_MS = 10_000;
const CLOCK_SKEW_MS = 25_000;
/** How long a machine that died stays away. */
const AWAY_MS = { shortest: 1_000, longest: 60_000 };
const TRAINING_MS = { shortest: 3_000, longest: 20_000, late: 120_000 };
const LEAVING_MS = { shortest: 5_000, longest: 300_000 };
const SAVING_MS = 5;
/** As seldom as that for evaluators, for the same reason. */
const EVALUATOR_PAUSE_MS = 12_000;
const LOSSES_MS = { shortest: 100, longest: 1_500 };

/** Virtual time would go on while another thread works. */
const streams = loadStreams({ foreground: true });

export type Request = (url: string, init: RequestInit) => Promise<Response>;

/** What the members have in common: where they are, whom they ask. */
export interface Membership {
  around: Surroundings;
  run: string;
  request: Request;
  /** Told of every answer that a coordinator's function gave, whether or not it arrives. */
  onAnswer: (path: string, response: Response) => Promise<void>;
  /** Told with what error a member ended. */
  onEnded: (who: string, error: unknown) => void;
}

/** Ways to lie that a peer may have. */
const LIES = ["wrong-state", "no-upload", "half-upload", "garbage"] as const;
export type Lie = (typeof LIES)[number];

export interface SimulatedPeer {
  readonly name: string;
  readonly key: SigningKey;
  readonly lie: Lie | null;
  /** What each of its processes has saved. */
  readonly saved: () => PeerState[];
  /** False: it went away for good. */
  readonly stays: boolean;
  /** True once its run has ended for it. */
  readonly finished: () => boolean;
}

/** A machine of a member. */
function machineOf(membership: Membership, client: Client): Host {
  const { around, request, onAnswer } = membership;
  const { scheduler, faults, timeline } = around;
  const skew = faults.strikes("clock-skew")
    ? faults.stream("clock-skew").between(-CLOCK_SKEW_MS, CLOCK_SKEW_MS)
    : 0;
  const lost = async (what: string, path: string): Promise<never> => {
    timeline.note(client.name, `${what} lost: ${path}`);
    await scheduler.wait(client, NO_ANSWER_MS);
    throw new TypeError("fetch failed");
  };
  return {
    now: () => scheduler.nowMs + skew,
    random: () => client.random.fraction(),
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted === true) return reject(signal.reason);
        const abort = () => {
          cancel();
          reject(signal?.reason);
        };
        const wake = () => {
          signal?.removeEventListener("abort", abort);
          if (client.alive) resolve();
        };
        const cancel = scheduler.after(ms, wake, client.random);
        signal?.addEventListener("abort", abort, { once: true });
      }),
    async fetch(url, init) {
      const path = url.slice(ORIGIN.length);
      await travel(around, client);
      if (faults.strikes("request-lost")) return lost("request", path);
      const response = await request(url, { ...init, headers: withLength(init) });
      await onAnswer(path, response.clone());
      if (faults.strikes("answer-lost")) return lost("answer", path);
      await travel(around, client);
      return response;
    },
  };
}

/** As `fetch` does: who receives a body knows its length before. */
function withLength({ headers, body }: RequestInit): Headers {
  const all = new Headers(headers);
  if (body instanceof Uint8Array) all.set("content-length", String(body.length));
  return all;
}

/** Starts a member's process, and starts it again after it died, for as long as `stays` says. */
function keepRunning(
  membership: Membership,
  name: string,
  crash: FaultKind,
  work: (client: Client) => Promise<void>,
  stays: () => boolean,
  random: Random,
): void {
  const { scheduler, timeline } = membership.around;
  const client = clientNamed(membership.around, name, crash, { random });
  const again = () => {
    const away = random.between(AWAY_MS.shortest, AWAY_MS.longest);
    const start = () => {
      if (stays()) keepRunning(membership, name, crash, work, stays, random);
    };
    scheduler.after(away, start, random);
  };
  client.onDeath = () => {
    timeline.note(name, "died");
    again();
  };
  timeline.note(name, "started");
  work(client).then(
    () => timeline.note(name, "ended"),
    (error: unknown) => {
      timeline.note(name, `ended with ${String(error)}`);
      membership.onEnded(name, error);
      again();
    },
  );
}

/** Starts a peer after a while; what it will do wrong is drawn now. */
export function startPeer(
  membership: Membership,
  name: string,
  key: SigningKey,
  target: Float32Array,
): SimulatedPeer {
  const { around, run } = membership;
  const { seed, scheduler, faults, timeline } = around;
  const lie = faults.strikes("peer-lies") ? faults.stream("peer-lies").pick(LIES) : null;
  const leavesAtMs = leavingTime(around, "peer-vanishes");
  const stays = () => scheduler.nowMs < leavesAtMs;
  const saved = new Map<number, PeerState>();
  let finished = false;
  const processes = faults.strikes("peer-twice") ? 2 : 1;
  if (lie !== null) timeline.note(name, `lies: ${lie}`);

  for (let process = 1; process <= processes; process++) {
    const label = processes === 1 ? name : `${name}/${process}`;
    const random = new Random(seed, label);
    const work = async (client: Client) => {
      if (Number.isFinite(leavesAtMs)) scheduler.after(leavesAtMs - scheduler.nowMs, () => kill(client));
      const store: PeerStateStore = {
        // Two processes with one key have two folders: in one, each would find the other's lock.
        load: async () => saved.get(process) ?? null,
        async save(state) {
          await scheduler.wait(client, SAVING_MS);
          saved.set(process, state);
          await scheduler.wait(client, SAVING_MS);
        },
      };
      const api = createApiClient({ coordinator: ORIGIN, key, host: machineOf(membership, client) });
      await runPeer({
        api: lie === null ? api : lying(api, run, key, lie),
        run,
        key,
        store,
        innerLoop: async () => innerLoop(around, client, target),
        streams,
        report: (event) => {
          if (event.kind === "note") timeline.note(client.name, event.text);
        },
        signal: new AbortController().signal,
      });
      if (process === 1) finished = true;
    };
    const start = () => keepRunning(membership, label, "peer-crash", work, stays, random);
    scheduler.after(random.between(0, 5_000), start, random);
  }
  return {
    name,
    key,
    lie,
    saved: () => [...saved.values()],
    get stays() {
      return leavesAtMs === Number.POSITIVE_INFINITY;
    },
    finished: () => finished,
  };
}

/** When a member goes for good, if it does. */
function leavingTime({ scheduler, faults }: Surroundings, kind: FaultKind): number {
  if (!faults.strikes(kind)) return Number.POSITIVE_INFINITY;
  return scheduler.nowMs + faults.stream(kind).between(LEAVING_MS.shortest, LEAVING_MS.longest);
}

/** "Trains" for a while, and comes nearer to the target. */
function innerLoop({ scheduler, faults }: Surroundings, client: Client, target: Float32Array): InnerLoop {
  const { random } = client;
  return {
    async train({ start, config }) {
      const longest = faults.strikes("peer-late") ? TRAINING_MS.late : TRAINING_MS.longest;
      await scheduler.wait(client, random.between(TRAINING_MS.shortest, longest));
      // Everybody has data of its own: two that moved alike would be taken for copies of one another.
      const step = (value: number, i: number) => value + 0.5 * random.fraction() * ((target[i] ?? 0) - value);
      return {
        ...start,
        parameters: start.parameters.map(step),
        innerSteps: start.innerSteps + config.inner.steps,
        tokens: 1,
        meanLoss: 1,
      };
    },
    async close() {},
  };
}

function lying(api: ApiClient, run: string, key: SigningKey, lie: Lie): ApiClient {
  switch (lie) {
    case "no-upload":
      return { ...api, upload: async () => {} };
    case "half-upload":
      return {
        ...api,
        upload: async (ticket, bytes) =>
          ticket.url.includes("00001.slc") ? undefined : api.upload(ticket, bytes),
      };
    case "wrong-state":
      return {
        ...api,
        commit: (id, round, bytes) =>
          api.commit(
            id,
            round,
            changed(run, key, bytes, (commit) => ({ ...commit, stateHash: sha256(bytes) })),
          ),
      };
    case "garbage": {
      const garbage = (shard: number, sizeBytes: number) => new Uint8Array(sizeBytes).fill(shard + 1);
      return {
        ...api,
        commit: (id, round, bytes) =>
          api.commit(
            id,
            round,
            changed(run, key, bytes, (commit) => ({
              ...commit,
              shards: commit.shards.map((one) => ({
                ...one,
                sha256: sha256(garbage(one.shard, one.sizeBytes)),
              })),
            })),
          ),
        upload: (ticket, bytes) =>
          api.upload(ticket, garbage(Number(/(\d{5})\.slc/.exec(ticket.url)?.[1]), bytes.length)),
      };
    }
  }
}

/** A commit with something changed, signed again by its owner. */
function changed(
  run: string,
  key: SigningKey,
  bytes: Uint8Array,
  change: (commit: Commit) => Commit,
): Uint8Array {
  const { body } = parseCanonical(signed(commitSchema), bytes, "commit");
  return signToBytes("commit", run, change(body), key);
}

/** Starts an evaluator. */
export function startEvaluator(
  membership: Membership,
  name: string,
  key: SigningKey,
  target: Float32Array,
  tokens: Uint16Array,
): void {
  const { around, run } = membership;
  const { seed, scheduler } = around;
  const random = new Random(seed, name);
  const leavesAtMs = leavingTime(around, "evaluator-vanishes");
  const stays = () => scheduler.nowMs < leavesAtMs;
  const work = async (client: Client) => {
    if (Number.isFinite(leavesAtMs)) scheduler.after(leavesAtMs - scheduler.nowMs, () => kill(client));
    const api = createApiClient({ coordinator: ORIGIN, key, host: machineOf(membership, client) });
    await runEvaluator({
      api,
      run,
      key,
      open: async (view) => ({
        tokens,
        model: distance(around, client, target, view.genesis.body.config.model.sequenceLength),
      }),
      report: (event) => {
        if (event.kind === "note") around.timeline.note(client.name, event.text);
      },
      signal: new AbortController().signal,
      pauseMs: EVALUATOR_PAUSE_MS,
      streams,
    });
  };
  const start = () => keepRunning(membership, name, "evaluator-crash", work, stays, random);
  scheduler.after(random.between(0, 5_000), start, random);
}

/** The loss of every sequence is how far the parameters are from the target. */
function distance(
  { scheduler }: Surroundings,
  client: Client,
  target: Float32Array,
  sequenceLength: number,
): LossModel {
  return {
    async losses(parameters, { inputs }) {
      await scheduler.wait(client, client.random.between(LOSSES_MS.shortest, LOSSES_MS.longest));
      let sum = 0;
      for (let i = 0; i < parameters.length; i++) sum += ((parameters[i] ?? 0) - (target[i] ?? 0)) ** 2;
      const loss = 5 + Math.min(1_000, sum / parameters.length);
      return new Float32Array(inputs.length / sequenceLength).fill(loss);
    },
    async close() {},
  };
}
