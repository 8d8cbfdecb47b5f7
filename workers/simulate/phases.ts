/**
 * How long phases last: reckoned from what was written and the windows of the configuration alone, because the
 * coordinator's own reckoning is what is examined.
 *
 * @module
 */
import {
  type Close,
  type Intent,
  type Manifest,
  type Selection,
  toMilliseconds,
} from "../../schemas/index.ts";
import { SWEEP_MS } from "./coordinator.ts";
import { configOf, SECOND_MS, type Seen, surelySeen } from "./seen.ts";
import { STORE_CLOCKS_MS } from "./services.ts";

/** A deadline is waited out for two seconds, on a clock that may differ where the window begins and where it ends. */
const MARGIN_MS = 2_000 + 2 * STORE_CLOCKS_MS;
/** What a sweep may take itself when nothing befalls it. */
const SWEEP_WORK_MS = 5_000;
const VOIDS_THAT_PAUSE = 3;

export class Phases {
  readonly #seen: Seen;
  #round = 1;
  #phase = "gather";
  #sinceMs: number;
  /** The window of the open phase; null: peers are gathered, or the run has finished. */
  #windowSeconds: number | null = null;
  /** When peers announced that they take part in the open round. */
  #announcedMs: number[] = [];
  #manifest: string;
  /** As of when the last one was decided. */
  #manifestMs = 0;
  #voids = 0;
  #finished = false;

  constructor(seen: Seen, genesisHash: string) {
    this.#seen = seen;
    this.#sinceMs = seen.nowMs();
    this.#manifest = genesisHash;
  }

  onIntent({ round, manifest, leaving }: Intent): void {
    if (round === this.#round && manifest === this.#manifest && !leaving)
      this.#announcedMs.push(this.#seen.nowMs());
  }

  onRoster(round: number): void {
    const { trainSeconds, uploadSeconds, graceSeconds } = configOf(this.#seen, round).windows;
    this.#enter("train", trainSeconds + uploadSeconds + graceSeconds);
  }

  onCutoff(round: number): void {
    this.#enter("settle", configOf(this.#seen, round).windows.checkSeconds);
  }

  onClose({ round, asOf, submissions }: Close): void {
    const { checkSeconds, evaluationSeconds } = configOf(this.#seen, round).windows;
    this.#enter("evaluate", evaluationSeconds);
    const unchecked = submissions.filter(({ verdict }) => verdict === "not-checked").length;
    const since = this.#seen.round(round).cutoff?.asOf ?? asOf;
    if (unchecked > 0) this.#mayEnd(round, "settle", since, asOf, checkSeconds, `${unchecked} not checked`);
  }

  onSelection({ round, asOf, reports }: Selection): void {
    const { windows, gauntlet } = configOf(this.#seen, round);
    this.#enter("aggregate", windows.aggregationSeconds);
    const { close } = this.#seen.round(round);
    if (close === undefined) return;
    const valid = close.submissions.filter(({ verdict }) => verdict === "included").length;
    const open = close.plan.jobs.filter(
      ({ job }) => !reports.some((one) => one.job === job && one.counted),
    ).length;
    if (open > 0 && valid >= gauntlet.minSubmissions)
      this.#mayEnd(round, "evaluate", close.asOf, asOf, windows.evaluationSeconds, `${open} jobs open`);
  }

  onManifest({ round, asOf, outcome }: Manifest, hash: string): void {
    const { aggregationSeconds } = configOf(this.#seen, round).windows;
    const since = this.#seen.round(round).selection?.asOf ?? asOf;
    if (outcome === "void")
      this.#mayEnd(round, "aggregate", since, asOf, aggregationSeconds, "shards missing");
    this.#enter("gather", null);
    this.#round = round + 1;
    this.#announcedMs = [];
    this.#voids = outcome === "void" ? this.#voidsInRow() + 1 : 0;
    this.#manifest = hash;
    this.#manifestMs = toMilliseconds(asOf);
    this.#finished = round >= this.#seen.genesis.config.rounds;
  }

  #enter(phase: string, windowSeconds: number | null): void {
    this.#phase = phase;
    this.#sinceMs = this.#seen.nowMs();
    this.#windowSeconds = windowSeconds;
  }

  /** Something is missing in what a phase has ended with: then its window must be over, or the operator wanted it so. */
  #mayEnd(
    round: number,
    phase: string,
    since: string,
    asOf: string,
    windowSeconds: number,
    missing: string,
  ): void {
    const lastedMs = toMilliseconds(asOf) - toMilliseconds(since);
    // What is stored within the second of the deadline is in time.
    if (lastedMs > 1_000 * windowSeconds + SECOND_MS || this.#seen.word.isAborted(round)) return;
    this.#seen.fail(
      "no phase ends before its time",
      `${phase} of round ${round} ended after ${lastedMs / 1_000} s of ${windowSeconds}: ${missing}`,
    );
  }

  /** The run must not begin a round now: the operator has paused it, or it paused itself. In words; null: it may. */
  pausedBecause(asOfMs: number): string | null {
    const { word } = this.#seen;
    const pausedAtMs = word.pausedAtMs();
    if (pausedAtMs !== null && pausedAtMs <= surelySeen(asOfMs)) return "the operator has paused the run";
    const voids = this.#voidsInRow();
    return voids < VOIDS_THAT_PAUSE ? null : `${voids} rounds in a row were void`;
  }

  /** Up to the last manifest, since the operator last said that it may go on. */
  #voidsInRow(): number {
    const resumedAtMs = this.#seen.word.resumedAtMs();
    return resumedAtMs !== null && resumedAtMs >= this.#manifestMs - SECOND_MS ? 0 : this.#voids;
  }

  /** From when on any sweep ends the open phase; null: it has no deadline. */
  #dueMs(): number | null {
    if (this.#finished) return null;
    if (this.#windowSeconds !== null) return this.#sinceMs + 1_000 * this.#windowSeconds + MARGIN_MS;
    const { genesis, word, nowMs } = this.#seen;
    const { minPeers, announceWindowSeconds } = genesis.config.gather;
    const enoughMs = this.#announcedMs[minPeers - 1];
    if (enoughMs === undefined || word.pausedAtMs() !== null || this.pausedBecause(nowMs()) !== null)
      return null;
    const windowMs = 1_000 * announceWindowSeconds;
    return Math.max(enoughMs + windowMs, this.#sinceMs, word.resumedAtMs() ?? 0) + MARGIN_MS;
  }

  /**
   * A sweep that nothing befell has ended. Sweeps come once a minute: so no phase lasts longer than its window, 62 s and
   * the work of a sweep.
   */
  onSoundSweep(beganMs: number): void {
    const dueMs = this.#dueMs();
    if (dueMs === null || beganMs < dueMs) return;
    const { nowMs, fail } = this.#seen;
    fail(
      "every round ends by its deadlines",
      `round ${this.#round} is in ${this.#phase} for ${(nowMs() - this.#sinceMs) / 1_000} s, and a sweep has just passed`,
    );
  }

  /** The longest that the rounds left may take when nothing goes wrong any more and peers are there. */
  longestLeftMs(): number {
    const configs = [...this.#seen.word.configs.values()];
    const windows = configs.map(({ gather, windows: w }) => [
      gather.announceWindowSeconds,
      w.trainSeconds + w.uploadSeconds + w.graceSeconds,
      w.checkSeconds,
      w.evaluationSeconds,
      w.aggregationSeconds,
    ]);
    const longest = windows.map((phases) =>
      phases.reduce((sum, seconds) => sum + 1_000 * seconds + MARGIN_MS + SWEEP_MS + SWEEP_WORK_MS, 0),
    );
    return (this.#seen.genesis.config.rounds + 1 - this.#round) * Math.max(...longest);
  }
}
