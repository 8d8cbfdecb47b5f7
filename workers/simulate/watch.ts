/**
 * Sees everything that is written, answered and reported in a world, and says which invariant it violates.
 *
 * @module
 */
import { decide } from "../../functions/coordinator/decide.ts";
import type { RoundFacts } from "../../functions/coordinator/facts.ts";
import { readFacts } from "../../functions/rounds/read-facts.ts";
import type { RunContext } from "../../functions/rounds/run-context.ts";
import { OF_SERVICES } from "../../functions/storage/http-errors.ts";
import type { ObjectStore } from "../../functions/storage/object-store.ts";
import {
  type Close,
  type Control,
  type Cutoff,
  f32FromHex,
  type Head,
  hashOf,
  type Intent,
  isOuterloopError,
  keys,
  type Manifest,
  parseIntentKey,
  parseSubmissionKey,
  prefixes,
  type Roster,
  type Selection,
  toMilliseconds,
} from "../../schemas/index.ts";
import type { Bucket, StoreObserver } from "./bucket.ts";
import type { FunctionError, Swept } from "./coordinator.ts";
import type { FaultCounts } from "./faults.ts";
import { checkHistory, checkPeers, checkStorage } from "./history.ts";
import type { Fail, Invariant, Violation } from "./invariants.ts";
import type { SimulatedPeer } from "./members.ts";
import { LOOK_MS } from "./operator.ts";
import { OperatorsWord } from "./operators-word.ts";
import { Phases } from "./phases.ts";
import { type RoundSeen, type Seen, surelySeen } from "./seen.ts";
import { STORE_CLOCKS_MS } from "./services.ts";
import { Submissions } from "./submissions.ts";

/** What may differ from one writer to the next: it is not derived from facts. */
const NOT_DERIVED =
  /\/(head|roster|cutoff|close|selection|manifest)\.json$|^views\/|^active\/|\/held-out\/|\/reports\/|\/guards\/|\/intents\//;
const CONTROL = /\/controls\/\d+\.json$/;
/** So many events after one look comes the next, whatever was written. */
const LOOK_EVERY = 500;

export class Watch implements StoreObserver {
  readonly violations: Violation[] = [];
  /** Sees the store as it is, at once; keeps what never changes. */
  readonly #reader: RunContext;
  readonly #faults: FaultCounts;
  readonly #rounds = new Map<number, RoundSeen>();
  readonly #seen: Seen;
  readonly #phases: Phases;
  readonly #submissions: Submissions;
  readonly #decided = new Set<string>();
  readonly #beganMs: number;
  #headRound = 0;
  #eventsToLook = 0;
  /** Rounds with a manifest. */
  rounds = 0;
  /** The sweep looks after the run no more. */
  hasEnded = false;
  readonly outcomes = { applied: 0, empty: 0, void: 0 };
  /** Sweeps that nothing befell, and those of them that found something to be recorded: what is proved of them counts. */
  readonly sweeps = { sound: 0, ready: 0 };

  constructor(reader: RunContext, nowMs: () => number, faults: FaultCounts) {
    this.#reader = reader;
    this.#faults = faults;
    this.#beganMs = nowMs();
    this.#seen = {
      run: reader.run,
      genesis: reader.genesis.body,
      layout: reader.layout,
      nowMs,
      word: new OperatorsWord(reader.genesis.body),
      fail: this.fail,
      round: (round) => this.#rounds.get(round) ?? {},
    };
    this.#phases = new Phases(this.#seen, reader.genesis.hash);
    this.#submissions = new Submissions(this.#seen, reader.store);
  }

  readonly fail: Fail = (invariant: Invariant, message: string) => {
    // One is enough: what follows from it is no news.
    if (this.violations.some((one) => one.invariant === invariant)) return;
    this.violations.push({ invariant, message });
  };

  /** The round that is open, by the decision objects written so far. */
  openRound(): number {
    return this.rounds + 1;
  }

  onRewrite(key: string, standing: Uint8Array, wanted: Uint8Array): void {
    if (NOT_DERIVED.test(key) || Buffer.compare(standing, wanted) === 0) return;
    // A peer may commit twice, the second time in vain.
    if (parseSubmissionKey(key)?.part === "commit") return;
    this.fail("what is derived has equal bytes", `${key} was to be written again with other bytes`);
  }

  /** Functions delete nothing but the mark of an active run. */
  onDelete(key: string): void {
    if (key === keys.active(this.#seen.run)) this.hasEnded = true;
    else this.fail("storage is bounded", `${key} was deleted`);
  }

  async onWrite(key: string, bytes: Uint8Array): Promise<void> {
    if (!key.startsWith(prefixes.public(this.#seen.run))) return;
    if (parseIntentKey(key) !== null) return this.#phases.onIntent(bodyOf<Intent>(bytes));
    if (CONTROL.test(key)) return this.#seen.word.onControl(bodyOf<Control>(bytes), this.#seen.nowMs());
    switch (key.slice(key.lastIndexOf("/") + 1)) {
      case "head.json":
        return this.#head(bodyOf<Head>(bytes));
      case "roster.json":
        return this.#roster(this.#decision(key, "roster", bodyOf<Roster>(bytes)));
      case "cutoff.json": {
        const cutoff = this.#decision(key, "cutoff", bodyOf<Cutoff>(bytes));
        this.#phases.onCutoff(cutoff.round);
        return this.#submissions.onCutoff(cutoff);
      }
      case "close.json": {
        const close = this.#decision(key, "close", bodyOf<Close>(bytes));
        this.#phases.onClose(close);
        return this.#submissions.onClose(close);
      }
      case "selection.json": {
        const selection = this.#decision(key, "selection", bodyOf<Selection>(bytes));
        this.#phases.onSelection(selection);
        return this.#selection(selection);
      }
      case "manifest.json":
        return this.#manifest(this.#decision(key, "manifest", bodyOf<Manifest>(bytes)));
    }
  }

  /** The first object under a key is the one that counts; there must be no second. */
  #decision<Body extends { round: number }>(key: string, type: keyof RoundSeen, body: Body): Body {
    if (this.#decided.has(key)) this.fail("there is one history", `${key} was written twice`);
    else this.#rounds.set(body.round, { ...this.#rounds.get(body.round), [type]: body });
    this.#decided.add(key);
    this.#eventsToLook = 0;
    return body;
  }

  async #head({ round, finished }: Head): Promise<void> {
    const broken = (message: string) => this.fail("the head is moved last, and only forward", message);
    if (round < this.#headRound) broken(`it went from round ${this.#headRound} back to ${round}`);
    this.#headRound = round;
    if (round !== this.rounds + 1 && !finished)
      broken(`it names round ${round}, manifests go to ${this.rounds}`);
    if (round === 1) return;
    const { run } = this.#seen;
    for (const key of [keys.receipts(run, round - 1, 0), keys.ledger(run, round - 1, 0)]) {
      if ((await this.#reader.store.head(key)) === null) broken(`it names round ${round} without ${key}`);
    }
  }

  #roster({ round, asOf }: Roster): void {
    const paused = this.#phases.pausedBecause(toMilliseconds(asOf));
    if (paused !== null) this.fail("the operator's word counts", `round ${round} began although ${paused}`);
    this.#phases.onRoster(round);
  }

  #selection({ round, outcome, selected, judgements, reports }: Selection): void {
    const sum = selected.reduce((total, { weight }) => total + f32FromHex(weight), 0);
    const fits = outcome === "empty" ? selected.length === 0 : Math.abs(sum - 1) < 1e-5;
    if (!fits)
      this.fail(
        "weights sum to one or the round is empty",
        `round ${round} is ${outcome}, its weights sum to ${sum}`,
      );
    const { close } = this.#seen.round(round);
    const included = close?.submissions.filter(({ verdict }) => verdict === "included") ?? [];
    for (const names of [
      judgements.map(({ peer }) => peer),
      selected.map(({ peer }) => peer),
      reports.map((report) => JSON.stringify(report)),
    ]) {
      if (new Set(names).size < names.length)
        this.fail("nothing is scored twice", `round ${round} has an entry twice among ${names.join(", ")}`);
    }
    const stranger = judgements.find(({ peer }) => !included.some((one) => one.peer === peer));
    if (stranger !== undefined)
      this.fail(
        "nothing is scored twice",
        `round ${round} judged ${stranger.peer.slice(0, 8)}, which was not included`,
      );
  }

  #manifest(manifest: Manifest): void {
    const { round, outcome, asOf } = manifest;
    if (outcome === "applied" && this.#seen.word.isAborted(round, surelySeen(toMilliseconds(asOf))))
      this.fail("the operator's word counts", `round ${round} was applied although the operator aborted it`);
    this.#phases.onManifest(manifest, hashOf(manifest));
    this.rounds = Math.max(this.rounds, round);
    this.outcomes[outcome] += 1;
  }

  onAnswer(path: string, response: Response): Promise<void> {
    return this.#submissions.onAnswer(path, response);
  }

  /** A sweep begins; what is returned is called when it has ended. */
  async onSweep(): Promise<(swept: Swept) => Promise<void>> {
    const beganMs = this.#seen.nowMs();
    const before = await this.#look(-STORE_CLOCKS_MS);
    return async ({ sound, error }) => {
      if (!sound) return;
      // The log has told why.
      if (error !== undefined && !isOuterloopError(error, "sweep-failed"))
        this.fail("nothing fails by itself", `a sweep failed: ${String(error)}`);
      this.#phases.onSoundSweep(beganMs);
      this.sweeps.sound += 1;
      if (!before.ready) return;
      this.sweeps.ready += 1;
      const after = await this.#look(0);
      if (after.round === before.round && after.phase === before.phase)
        this.fail(
          "every round ends by its deadlines",
          `round ${after.round} is still in ${after.phase} after a sweep that could have ended it: ${after.reason}`,
        );
    };
  }

  /** Something happened: now and then, and after every decision, a look at where that leaves the run. */
  async onEvent(): Promise<void> {
    this.#eventsToLook -= 1;
    if (this.#eventsToLook > 0) return;
    this.#eventsToLook = LOOK_EVERY;
    const { round, phase, waitingFor, reason } = await this.#look(0);
    if (phase !== "finished" && waitingFor.length === 0)
      this.fail("an open phase waits for something", `round ${round}, ${phase}: ${reason}`);
  }

  async waitsForResume(): Promise<boolean> {
    return (await this.#look(0)).waitingFor.some(({ kind }) => kind === "resume");
  }

  /** Where the run is, and whether whoever holds the secrets could go on. */
  async #look(laterMs: number) {
    const { facts } = await readFacts(this.#reader, this.openRound());
    const { seeds: _, ...rest } = facts;
    const { waitingFor, reason } = decide(rest as RoundFacts, this.#seen.nowMs() + laterMs);
    const ready = waitingFor.some(({ kind }) => kind === "coordinator");
    return { round: facts.round, phase: facts.phase, waitingFor, reason, ready };
  }

  /** A function reported an error: of a service that did not answer, of a message that somebody else had by then, or its own. */
  onError({ who, disturbed, error }: FunctionError): void {
    const code = codeOf(error);
    if (disturbed && OF_SERVICES.test(code)) return;
    // A message that was buried, or given back, without anybody hearing of it is not this one's any more.
    if (code === "lease-lost" && this.#faults["lease-ends"] + this.#faults["queue-answer-lost"] > 0) return;
    this.fail(
      code === "derived-object-differs" ? "what is derived has equal bytes" : "nothing fails by itself",
      `${who}: ${String(error)}`,
    );
  }

  /** A member ended: nobody answered it for minutes when it began, or the operator does not want it any more. */
  onMemberEnded(who: string, error: unknown): void {
    const code = codeOf(error);
    if (["service-unreachable", "store-busy"].includes(code) && this.#faults.outage > 0) return;
    if (code === "not-an-evaluator" && this.#seen.word.changedKeys) return;
    this.fail("nothing fails by itself", `${who} ended with ${String(error)}`);
  }

  /** From now on nothing goes wrong; after the time that is returned all rounds have ended. */
  longestLeftMs(): number {
    return this.#phases.longestLeftMs() + LOOK_MS;
  }

  /** That time is over. */
  onRoundsOver(): void {
    const { rounds } = this.#seen.genesis.config;
    if (this.rounds < rounds)
      this.fail("the run ends", `it is in round ${this.openRound()} of ${rounds}, long after the last fault`);
  }

  /** When everything is quiet again and the run should be over. */
  async atEnd(
    disk: ObjectStore,
    bucket: Bucket,
    peers: readonly SimulatedPeer[],
    finished: boolean,
  ): Promise<void> {
    if (!finished)
      return this.fail("the run ends", "it is still looked after, or a peer waits for more of it");
    await checkHistory(this.#seen, disk, this.#submissions.acknowledged);
    await checkPeers(this.#seen, disk, peers);
    await checkStorage(this.#seen, disk, bucket, peers.length, this.#seen.nowMs() - this.#beganMs);
  }
}

/** Of an error, or of the answer that told of it. */
function codeOf(error: unknown): string {
  if (isOuterloopError(error)) return error.code;
  return typeof error === "string" ? (/^\{"code":"([^"]+)"/.exec(error)?.[1] ?? "") : "";
}

const decoder = new TextDecoder();
function bodyOf<Body>(bytes: Uint8Array): Body {
  return JSON.parse(decoder.decode(bytes)).body;
}
