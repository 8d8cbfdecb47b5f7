/**
 * A peer: announce, train, compress, commit, upload, pull, step; round after round, through restarts of either side.
 *
 * The state on disk is either after a manifest (nothing pending) or after a compression (payload and error state saved,
 * commit not settled). Both resume by the same loop: catch up, finish what is pending, train what is open.
 *
 * @module
 */
import { type ApiClient, isTransient } from "../../functions/api/client.ts";
import { roundWindows } from "../../functions/coordinator/assignment.ts";
import type { Fact } from "../../functions/coordinator/facts.ts";
import { rosterLink } from "../../functions/coordinator/seed-chain.ts";
import type { Streams } from "../../native/codec.ts";
import {
  type Intent,
  isOuterloopError,
  keys,
  type Manifest,
  OuterloopError,
  type Position,
  positionTag,
  type Roster,
  type SigningKey,
  signToBytes,
} from "../../schemas/index.ts";
import {
  type AgreedParameters,
  checkChain,
  downloadParameters,
  follow,
  newestPublished,
  newestState,
  stateHash,
} from "../replica/parameters.ts";
import { configOf, openRunView, type RunView, readSigned, requireSigned } from "../replica/run-view.ts";
import { compressRound } from "./compress.ts";
import { checkAcknowledgement, uploadShards } from "./deliver.ts";
import type { Report } from "./events.ts";
import type { InnerLoop } from "./inner-loop.ts";
import type { PeerState, PeerStateStore } from "./peer-state.ts";
import { settledError } from "./settle.ts";

export interface PeerOptions {
  api: ApiClient;
  run: string;
  key: SigningKey;
  /** Where the state is kept. */
  store: PeerStateStore;
  /** Makes the trainer, once the run is known. */
  innerLoop: (view: RunView) => Promise<InnerLoop>;
  report: Report;
  signal: AbortSignal;
  /** Compresses and applies (on background threads). */
  streams?: Streams;
}

/**
 * A peer that is further behind downloads the parameters instead of every step since: an aggregate of twenty updates has some 5 % of
 * their bytes.
 */
const LEAP_ROUNDS = 20;
/** How long a peer that nobody answers waits before it looks again. */
const AWAY_MS = 5_000;

/** Trains until the run is finished, or until `signal`. Once it has begun, it waits for a coordinator that is away. */
export async function runPeer(options: PeerOptions): Promise<void> {
  const { api, run, key, store, report, signal } = options;
  const view = await openRunView(api, run, options.streams);
  await api.register(
    run,
    signToBytes("registration", run, { run, peer: key.publicKey, recoveryKey: null }, key),
  );
  const innerLoop = await options.innerLoop(view);
  try {
    const peer = new Peer(view, key, store, innerLoop, report, signal);
    report({ kind: "ready", who: key.publicKey });
    await peer.train();
  } finally {
    await innerLoop.close();
  }
}

class Peer {
  readonly #view: RunView;
  readonly #key: SigningKey;
  readonly #store: PeerStateStore;
  readonly #innerLoop: InnerLoop;
  readonly #report: Report;
  readonly #signal: AbortSignal;

  constructor(
    view: RunView,
    key: SigningKey,
    store: PeerStateStore,
    innerLoop: InnerLoop,
    report: Report,
    signal: AbortSignal,
  ) {
    this.#view = view;
    this.#key = key;
    this.#store = store;
    this.#innerLoop = innerLoop;
    this.#report = report;
    this.#signal = signal;
  }

  async train(): Promise<void> {
    for (;;) {
      try {
        if (await this.#goOn()) return;
      } catch (error) {
        this.#signal.throwIfAborted();
        if (!isTransient(error)) throw error;
        // What is done is saved, and what is under way may be done again.
        this.#report({ kind: "note", text: `${String(error)}; trying again` });
        await this.#view.api.host.sleep(AWAY_MS, this.#signal);
      }
    }
  }

  /** Does what is next; true once the run is finished. */
  async #goOn(): Promise<boolean> {
    this.#state ??= (await this.#store.load()) ?? (await this.#begin());
    const position = await this.#look();
    if (position.round - 1 > this.#state.round) await this.#catchUp(this.#state, position.round - 1);
    const { round: last, pending } = this.#state;
    const round = last + 1;
    if (!this.#announced.has(round)) await this.#announce(round, this.#state, position.finished);
    if (position.finished) return true;
    if (position.round === round && position.rosterStands && pending?.round !== round) {
      await this.#takePart(round, this.#state);
    } else if (pending?.round === round && !this.#delivered.has(round)) {
      await this.#deliver(this.#state);
    }
    await this.#waitForNews(last, position);
    return false;
  }

  /** As on disk; undefined: not read yet. */
  #state: PeerState | undefined;
  /** Rounds whose payload is known to be up, or refused: nothing more to send. */
  readonly #delivered = new Set<number>();
  /** Rounds that this process has announced. */
  readonly #announced = new Set<number>();
  /** Rounds whose roster does not hold this peer. */
  readonly #left = new Set<number>();

  /** Where the run is. That it has finished is believed only if the signed head says so. */
  async #look(): Promise<Position> {
    const position = await this.#view.api.position(this.#view.run);
    if (!position.finished) return position;
    const head = await readSigned(this.#view, "head", keys.head(this.#view.run));
    return { ...position, finished: head?.body.finished === true };
  }

  /** First start: the newest published parameters, empty error feedback. */
  async #begin(): Promise<PeerState> {
    const start = await newestState(this.#view, await this.#lastRound());
    const zeros = () => new Float32Array(this.#view.layout.parameters);
    const state: PeerState = {
      round: start.round,
      manifest: start.manifest,
      innerSteps: 0,
      parameters: start.theta,
      error: zeros(),
      m: zeros(),
      v: zeros(),
      pending: null,
    };
    await this.#store.save(state);
    return state;
  }

  /** The last round that is finished, by the signed head: where a position says so, anybody may have. */
  async #lastRound(): Promise<number> {
    const head = await readSigned(this.#view, "head", keys.head(this.#view.run));
    return (head?.body.round ?? 1) - 1;
  }

  /** Takes every outer step up to a round, settling the pending payload on the way. */
  async #catchUp(behind: PeerState, until: number): Promise<void> {
    const from = until - behind.round > LEAP_ROUNDS ? ((await this.#leap(behind)) ?? behind) : behind;
    const start: AgreedParameters = { round: from.round, manifest: from.manifest, theta: from.parameters };
    await follow(this.#view, start, {
      until,
      onStep: async ({ after, manifest }) => {
        const before = this.#state ?? from;
        const { pending } = before;
        const settles = pending !== null && pending.round <= after.round;
        const state = await this.#save({
          ...before,
          round: after.round,
          manifest: after.manifest,
          parameters: after.theta,
          error: settles ? await this.#settle(before.error, pending, manifest) : before.error,
          pending: settles ? null : pending,
        });
        const hash = await this.#announce(after.round + 1, state, false);
        this.#report({
          kind: "applied",
          round: after.round,
          outcome: manifest.body.outcome,
          stateHash: hash,
        });
      },
    });
  }

  /**
   * After a long absence: the published parameters, if they are of the same history. Null: none are far ahead. Not those of the last
   * round, because only the manifest after them says what they must be.
   */
  async #leap(behind: PeerState): Promise<PeerState | null> {
    const last = await this.#lastRound();
    const state = await newestPublished(this.#view, last - 1, behind.round + LEAP_ROUNDS);
    if (state === null) return null;
    await checkChain(this.#view, behind, state);
    const { round, manifest, theta } = await downloadParameters(this.#view, state);
    const error = await this.#settledSince(behind);
    const saved = await this.#save({ ...behind, round, manifest, parameters: theta, error, pending: null });
    this.#report({
      kind: "note",
      text: `away for ${round - behind.round} rounds: going on from the published parameters of round ${round}`,
    });
    return saved;
  }

  async #settledSince({ error, pending }: PeerState): Promise<Float32Array> {
    if (pending === null) return error;
    const key = keys.manifest(this.#view.run, pending.round);
    return this.#settle(error, pending, await requireSigned(this.#view, "manifest", key));
  }

  /** What is saved is what is gone on from. */
  async #save(state: PeerState): Promise<PeerState> {
    await this.#store.save(state);
    this.#state = state;
    return state;
  }

  #settle(
    error: Float32Array,
    pending: NonNullable<PeerState["pending"]>,
    manifest: Fact<Manifest>,
  ): Promise<Float32Array> {
    return settledError(this.#view, this.#key.publicKey, error, pending, manifest.body.keep);
  }

  /** "I train in this round": also says, signed, which parameters this peer holds. Returns their hash. */
  async #announce(round: number, state: PeerState, leaving: boolean): Promise<string> {
    const { api, run, genesis } = this.#view;
    const hash = stateHash(this.#view, state.parameters);
    const last = leaving || round > genesis.body.config.rounds;
    const intent: Intent = {
      round,
      peer: this.#key.publicKey,
      manifest: state.manifest,
      stateHash: hash,
      leaving: last,
    };
    try {
      await api.announce(run, round, signToBytes("intent", run, intent, this.#key));
    } catch (error) {
      // Another process of this peer announced with another state: the first word counts.
      if (!isOuterloopError(error, "already-announced")) throw error;
      this.#report({ kind: "note", text: `round ${round} was announced before, with another state` });
    }
    this.#announced.add(round);
    return hash;
  }

  async #takePart(round: number, before: PeerState): Promise<void> {
    const roster = await readSigned(this.#view, "roster", keys.roster(this.#view.run, round));
    const place = roster?.body.peers.findIndex(({ peer }) => peer === this.#key.publicKey) ?? -1;
    if (roster === null || place < 0) {
      if (!this.#left.has(round))
        this.#report({ kind: "note", text: `not in the roster of round ${round}: joining the next one` });
      this.#left.add(round);
      return;
    }
    await this.#deliver(await this.#trainRound(roster.body, place, before));
  }

  async #trainRound(roster: Roster, place: number, before: PeerState): Promise<PeerState> {
    this.#view.checkSeed(rosterLink(roster.round), roster.seed);
    const config = await configOf(this.#view, roster.config);
    if (roster.previousManifest !== before.manifest) {
      throw new OuterloopError(
        "broken-chain",
        `the roster of round ${roster.round} builds on another manifest than this peer's`,
      );
    }
    const trained = await this.#innerLoop.train({
      start: before,
      round: roster.round,
      position: place,
      config,
      windows: roundWindows(roster.seed, this.#view.data, config, roster.peers.length),
      onStep: (step, of, loss) => {
        this.#signal.throwIfAborted();
        this.#report({ kind: "step", round: roster.round, step, of, loss });
      },
    });
    const compressed = await compressRound(
      this.#view,
      this.#key.publicKey,
      roster,
      before,
      trained,
      this.#signal,
    );
    return this.#save(compressed);
  }

  /** Commits and uploads what is pending. Safe to repeat: the same bytes go up. */
  async #deliver({ pending }: PeerState): Promise<void> {
    if (pending === null) return;
    const { api, run, genesis } = this.#view;
    const { round, commit, shards } = pending;
    try {
      const answer = await api.commit(run, round, signToBytes("commit", run, commit, this.#key));
      checkAcknowledgement(genesis.body, run, commit, answer.acknowledgement);
      this.#report({ kind: "committed", round, bytes: shards.reduce((sum, shard) => sum + shard.length, 0) });
      await uploadShards(api, run, round, shards, answer.tickets);
      this.#report({ kind: "uploaded", round });
    } catch (error) {
      if (!isOuterloopError(error) || isTransient(error)) throw error;
      // Too late, or refused: the receipt will say so, and the update goes back into the error state.
      this.#report({ kind: "note", text: `round ${round}: ${error.message}` });
    }
    this.#delivered.add(round);
  }

  /** Waits until the round moves on, or until its roster stands and this peer has not looked at it yet. */
  async #waitForNews(round: number, last: Position): Promise<void> {
    const { api, run } = this.#view;
    const open = round + 1;
    for (let seen = last; ; ) {
      const position = await api.position(run, seen);
      if (positionTag(position) === positionTag(seen)) {
        // A coordinator that can wait has waited already; one that cannot says how soon to ask again.
        await api.host.sleep(pauseMs(position, api.host.random()), this.#signal);
        continue;
      }
      const canTrain =
        position.round === open &&
        position.rosterStands &&
        !this.#delivered.has(open) &&
        !this.#left.has(open);
      if (position.round > open || position.finished || canTrain) return;
      seen = position;
    }
  }
}

/** The coordinator proposes the pause, within reason: neither a busy loop nor a sleep for ever. */
function pauseMs({ pollAfterSeconds }: Position, random: number): number {
  // Spread out: peers that heard the same news together must not all come back together.
  return Math.min(60_000, Math.max(20, 1_000 * pollAfterSeconds * (0.75 + random / 2)));
}
