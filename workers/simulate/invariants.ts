/**
 * What must hold in every world, whatever goes wrong in it. Each has a name, and a sentence for when it does not hold.
 *
 * @module
 */

import { decide } from "../../functions/coordinator/decide.ts";
import type { RoundFacts } from "../../functions/coordinator/facts.ts";
import { emptyLedger, ledgerAfter } from "../../functions/coordinator/ledger.ts";
import { closeLink, rosterLink, verifiesLink } from "../../functions/coordinator/seed-chain.ts";
import { stateHash } from "../../functions/coordinator/state-check.ts";
import { ratingSettings, readFinishedRound } from "../../functions/rounds/history.ts";
import { readFacts } from "../../functions/rounds/read-facts.ts";
import type { RunContext } from "../../functions/rounds/run-context.ts";
import { listAll, type ObjectStore } from "../../functions/storage/object-store.ts";
import {
  type Close,
  type Cutoff,
  commitAnswer,
  f32FromHex,
  type Head,
  hashOf,
  keys,
  type LedgerEntry,
  parseSubmissionKey,
  prefixes,
  type Roster,
  type Selection,
  sha256,
} from "../../schemas/index.ts";
import { bytesOf } from "../replica/parameters.ts";
import type { FunctionError, Swept } from "./coordinator.ts";
import type { SimulatedPeer } from "./members.ts";

export type Invariant =
  | "every round ends by its deadlines"
  | "an open phase waits for something"
  | "the head only moves forward"
  | "what is derived has equal bytes"
  | "what was acknowledged has a verdict"
  | "weights sum to one or the round is empty"
  | "nothing is scored twice"
  | "a departed peer closes no round early"
  | "there is one history"
  | "honest peers hold the published state"
  | "storage is bounded"
  | "the run ends"
  | "nothing fails by itself";

export interface Violation {
  invariant: Invariant;
  message: string;
}

/** What may differ from one writer to the next: it is not derived from facts. */
const NOT_DERIVED =
  /\/(head|roster|cutoff|close|selection|manifest)\.json$|^views\/|^active\/|\/held-out\/|\/reports\/|\/intents\//;
/** Objects of a round that do not depend on how many took part, and those that each peer brings at two shards. */
const OBJECTS = { perRound: 60, perPeer: 10, perRun: 40 };
/** The store's own clocks differ by less than this. */
const STORE_CLOCKS_MS = 1_000;

export class Watch {
  readonly violations: Violation[] = [];
  readonly #run: string;
  /** Sees the store as it is, at once; keeps what never changes. */
  readonly #reader: RunContext;
  readonly #nowMs: () => number;
  readonly #acknowledged: { round: number; peer: string; commit: string }[] = [];
  readonly #closed = new Map<number, Close>();
  readonly #rosters = new Map<number, Roster>();
  #headRound = 0;
  /** Rounds with a manifest. */
  rounds = 0;
  /** The sweep looks after the run no more. */
  hasEnded = false;
  readonly outcomes = { applied: 0, empty: 0, void: 0 };

  constructor(reader: RunContext, nowMs: () => number) {
    this.#run = reader.run;
    this.#reader = reader;
    this.#nowMs = nowMs;
  }

  fail(invariant: Invariant, message: string): void {
    // One is enough: what follows from it is no news.
    if (this.violations.some((one) => one.invariant === invariant)) return;
    this.violations.push({ invariant, message });
  }

  /** The round that is open, by the decision objects written so far. */
  openRound(): number {
    return this.rounds + 1;
  }

  /** Somebody wanted to create an object that stands already. */
  onRewrite(key: string, standing: Uint8Array, wanted: Uint8Array): void {
    if (NOT_DERIVED.test(key) || Buffer.compare(standing, wanted) === 0) return;
    // A peer may commit twice, the second time in vain.
    if (parseSubmissionKey(key)?.part === "commit") return;
    this.fail("what is derived has equal bytes", `${key} was to be written again with other bytes`);
  }

  /** An object was deleted: functions delete nothing but the mark of an active run. */
  onDelete(key: string): void {
    if (key === keys.active(this.#run)) this.hasEnded = true;
    else this.fail("storage is bounded", `${key} was deleted`);
  }

  /** An object was created or replaced. */
  async onWrite(key: string, bytes: Uint8Array): Promise<void> {
    const name = key.slice(key.lastIndexOf("/") + 1);
    if (!key.startsWith(prefixes.public(this.#run))) return;
    switch (name) {
      case "head.json":
        return this.#head(bodyOf<Head>(bytes));
      case "roster.json": {
        const roster = bodyOf<Roster>(bytes);
        this.#rosters.set(roster.round, roster);
        return;
      }
      case "cutoff.json":
        return this.#cutoff(bodyOf<Cutoff>(bytes));
      case "close.json":
        return this.#close(bodyOf<Close>(bytes));
      case "selection.json":
        return this.#selection(bodyOf<Selection>(bytes));
      case "manifest.json": {
        const { round, outcome } = bodyOf<{ round: number; outcome: "applied" | "empty" | "void" }>(bytes);
        this.rounds = Math.max(this.rounds, round);
        this.outcomes[outcome] += 1;
        return;
      }
    }
  }

  #head({ round, finished }: Head): void {
    if (round < this.#headRound) {
      this.fail("the head only moves forward", `it went from round ${this.#headRound} back to ${round}`);
    }
    this.#headRound = round;
    if (round !== this.rounds + 1 && !finished)
      this.fail("the head only moves forward", `it names round ${round}, manifests go to ${this.rounds}`);
  }

  /** Early means: everybody who was to be waited for has delivered. */
  async #cutoff({ round, early, reason, asOf }: Cutoff): Promise<void> {
    const roster = this.#rosters.get(round);
    if (!early || roster === undefined || reason.includes("aborted")) return;
    const sealed = await Array.fromAsync(listAll(this.#reader.store, prefixes.sealed(this.#run, round)));
    const parts = sealed.map(({ key }) => parseSubmissionKey(key));
    const has = (peer: string, part: string) => parts.some((one) => one?.peer === peer && one.part === part);
    const commitsClosed = asOf >= roster.commitBy;
    for (const { peer, awaited } of roster.peers) {
      if (!awaited || has(peer, "submission") || (commitsClosed && !has(peer, "commit"))) continue;
      // Its submission may be complete since the decision was taken, but then it is here.
      this.fail(
        "a departed peer closes no round early",
        `round ${round} was cut off early though ${peer.slice(0, 8)} is awaited and has not delivered`,
      );
    }
  }

  #close(close: Close): void {
    this.#closed.set(close.round, close);
    for (const one of this.#acknowledged) if (one.round === close.round) this.#counts(one);
  }

  /** The API answered a commit. */
  async onAnswer(path: string, response: Response): Promise<void> {
    if (response.status !== 200 || !path.endsWith("/commits")) return;
    const { acknowledgement } = commitAnswer.parse(await response.json());
    const { round, peer, commit } = acknowledgement.body;
    this.#acknowledged.push({ round, peer, commit });
    this.#counts({ round, peer, commit });
  }

  #counts({ round, peer, commit }: { round: number; peer: string; commit: string }): void {
    const close = this.#closed.get(round);
    if (close === undefined || close.submissions.some((one) => one.peer === peer && one.commit === commit))
      return;
    this.fail(
      "what was acknowledged has a verdict",
      `the commit of ${peer.slice(0, 8)} in round ${round} was acknowledged, and is not in the close`,
    );
  }

  #selection({ round, outcome, selected, judgements, reports }: Selection): void {
    const sum = selected.reduce((total, { weight }) => total + f32FromHex(weight), 0);
    const fits = outcome === "empty" ? selected.length === 0 : Math.abs(sum - 1) < 1e-5;
    if (!fits)
      this.fail(
        "weights sum to one or the round is empty",
        `round ${round} is ${outcome}, its weights sum to ${sum}`,
      );
    for (const names of [
      judgements.map(({ peer }) => peer),
      selected.map(({ peer }) => peer),
      reports.map((report) => JSON.stringify(report)),
    ]) {
      if (new Set(names).size < names.length)
        this.fail(
          "nothing is scored twice",
          `round ${round} has the same entry twice among ${names.join(", ")}`,
        );
    }
    const close = this.#closed.get(round);
    for (const { peer } of judgements) {
      if (close?.submissions.some((one) => one.peer === peer && one.verdict === "included")) continue;
      this.fail(
        "nothing is scored twice",
        `round ${round} judged ${peer.slice(0, 8)}, which was not included`,
      );
    }
  }

  /**
   * A sweep that nothing befalls records what was ready when it began. Sweeps come once a minute: so no phase lasts more
   * than 62 s and a sweep beyond its window.
   */
  async onSweep(): Promise<(swept: Swept) => Promise<void>> {
    const before = await this.#look(-STORE_CLOCKS_MS);
    return async ({ disturbed, error }) => {
      if (disturbed) return;
      if (error !== undefined) this.fail("nothing fails by itself", `a sweep failed: ${String(error)}`);
      const after = await this.#look(0);
      if (before.ready && after.round === before.round && after.phase === before.phase) {
        this.fail(
          "every round ends by its deadlines",
          `round ${after.round} is still in ${after.phase} after a sweep that could have ended it: ${after.reason}`,
        );
      }
      if (after.phase !== "finished" && after.waitingFor.length === 0)
        this.fail(
          "an open phase waits for something",
          `round ${after.round}, ${after.phase}: ${after.reason}`,
        );
    };
  }

  /** Where the run is, and whether whoever holds the secrets could go on. */
  async #look(laterMs: number) {
    const { facts } = await readFacts(this.#reader);
    const { seeds: _, ...rest } = facts;
    const { waitingFor, reason } = decide(rest as RoundFacts, this.#nowMs() + laterMs);
    const ready = waitingFor.some(({ kind }) => kind === "coordinator");
    return { round: facts.round, phase: facts.phase, waitingFor, reason, ready };
  }

  /** A function reported an error. */
  onError({ who, disturbed, message }: FunctionError): void {
    if (message.includes("derived-object-differs"))
      this.fail("what is derived has equal bytes", `${who}: ${message}`);
    // What was done to it on purpose may be reported.
    if (disturbed || /unreachable|malformed-message/.test(message)) return;
    this.fail("nothing fails by itself", `${who}: ${message}`);
  }

  /** When everything is quiet again and the run should be over. */
  async atEnd(peers: readonly SimulatedPeer[], finished: boolean): Promise<void> {
    const { rounds } = this.#reader.genesis.body.config;
    if (!finished) {
      this.fail("the run ends", `it is in round ${this.openRound()} of ${rounds}, long after the last fault`);
      return;
    }
    await this.#oneHistory(rounds);
    await this.#statesOf(peers);
    await this.#storage(rounds, peers.length);
  }

  /** Every manifest names the one before it and the objects of its round; draws and ledgers follow from them. */
  async #oneHistory(rounds: number): Promise<void> {
    const reader = this.#reader;
    const broken = (message: string) => this.fail("there is one history", message);
    const { seedChain } = reader.genesis.body;
    const anchor = { index: 0, link: seedChain.anchor };
    let previous = reader.genesis.hash;
    let ledger = emptyLedger;
    for (let round = 1; round <= rounds; round++) {
      const finished = await readFinishedRound(reader, round);
      const { roster, close, selection, manifest } = finished;
      const named = [manifest.body.previousManifest, roster.body.previousManifest, manifest.body.roster];
      const named2 = [manifest.body.close, manifest.body.selection, close.body.roster, selection.body.close];
      if (
        [...named, ...named2].join() !==
        [previous, previous, roster.hash, close.hash, selection.hash, roster.hash, close.hash].join()
      )
        broken(`the objects of round ${round} do not name one another`);
      for (const [link, seed] of [
        [rosterLink(round), roster.body.seed],
        [closeLink(round), close.body.seed],
      ] as const) {
        if (!verifiesLink(seedChain.id, link, seed, anchor))
          broken(`a seed of round ${round} is not of the chain`);
      }
      previous = manifest.hash;
      ledger = ledgerAfter(ledger, finished, ratingSettings(reader.genesis.body));
      const written = await storedLedger(reader.store, this.#run, round);
      if (hashOf(written) !== hashOf([...ledger.entries.values()]))
        broken(`the ledger of round ${round} does not follow from its objects`);
    }
  }

  async #statesOf(peers: readonly SimulatedPeer[]): Promise<void> {
    const reader = this.#reader;
    for (const { name, lie, saved, stays, finished } of peers) {
      const state = saved();
      if (lie !== null || state === null) continue;
      const object = await reader.store.get(keys.state(this.#run, state.round));
      if (object === null) {
        this.fail(
          "honest peers hold the published state",
          `the state of round ${state.round} is not published`,
        );
        continue;
      }
      const own = stateHash(
        reader.layout.shards.map(({ first, elements }) => sha256(bytesOf(state.parameters, first, elements))),
      );
      if (own !== bodyOf<{ stateHash: string }>(object.bytes).stateHash)
        this.fail(
          "honest peers hold the published state",
          `${name} holds another one after round ${state.round}`,
        );
      if (stays && finished() && state.round !== reader.genesis.body.config.rounds)
        this.fail("honest peers hold the published state", `${name} ended after round ${state.round}`);
    }
  }

  async #storage(rounds: number, peers: number): Promise<void> {
    let count = 0;
    for (const top of ["active/", "public/", "sealed/", "uploads/", "views/"])
      count += (await Array.fromAsync(listAll(this.#reader.store, top))).length;
    const most = OBJECTS.perRun + rounds * (OBJECTS.perRound + peers * OBJECTS.perPeer);
    if (count > most)
      this.fail("storage is bounded", `${count} objects after ${rounds} rounds of ${peers} peers`);
    if ((await this.#reader.store.head(keys.active(this.#run))) !== null)
      this.fail("storage is bounded", "the sweep still looks after a run that has ended");
  }
}

async function storedLedger(store: ObjectStore, run: string, round: number): Promise<LedgerEntry[]> {
  const entries: LedgerEntry[] = [];
  for (let page = 0; ; page++) {
    const object = await store.get(keys.ledger(run, round, page));
    if (object === null) return entries;
    entries.push(...bodyOf<{ entries: LedgerEntry[] }>(object.bytes).entries);
  }
}

const decoder = new TextDecoder();
function bodyOf<Body>(bytes: Uint8Array): Body {
  return JSON.parse(decoder.decode(bytes)).body;
}
