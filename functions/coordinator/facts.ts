/**
 * What a decision is made of. The rim (`functions/rounds/`) reads these from the bucket; nothing here or in the
 * decisions reads a clock, the network or the environment.
 *
 * @module
 */
import type {
  AggregateSet,
  Close,
  Commit,
  Cutoff,
  DataIndex,
  EvaluatorRecord,
  Genesis,
  LedgerEntry,
  Report,
  Roster,
  RunConfig,
  Selection,
  ShardFile,
  Submission,
} from "../../schemas/index.ts";
import type { StoredGuardReport } from "./gauntlet/guard.ts";

/** A stored object with the hash of its body: how other objects name it. */
export interface Fact<Body> {
  body: Body;
  hash: string;
}

/** What holds in every phase of a round. */
export interface RunFacts {
  run: string;
  genesis: Genesis;
  data: DataIndex;
  /** The configuration that counts in this round, and its hash. */
  config: RunConfig;
  configHash: string;
  round: number;
  shards: number;
  previous: {
    /** Hash of manifest r - 1 (genesis for round 1). */
    manifest: string;
    voidsInRow: number;
    medianNorm: number | null;
    ledger: ReadonlyMap<string, LedgerEntry>;
    evaluators: ReadonlyMap<string, EvaluatorRecord>;
    /** What judging one update cost; null: never measured. */
    secondsPerUpdate: number | null;
  };
  /** Keys that may judge in this round. */
  evaluators: readonly string[];
  /** Why the operator paused the run; null: it is not paused. */
  paused: string | null;
  /** True: the operator aborted this round. */
  aborted: boolean;
  /** Links of the seed chain for this round. Undefined for a reader that must not (and cannot) decide. */
  seeds?: {
    roster: string;
    close: string;
    /** That of the next roster, which nobody knows before this round is over. */
    next: string;
  };
}

export interface AnnouncedIntent {
  peer: string;
  hash: string;
  announcedAtMs: number;
  /** True: it says that it will not take part. */
  leaving: boolean;
}

export interface StoredCommit {
  peer: string;
  storedAtMs: number;
}

/** A commit as the settlement sees it. */
export interface SettledCommit extends StoredCommit {
  hash: string;
  commit: Commit;
  /** Arrival of each uploaded shard, milliseconds since 1970. */
  uploads: ReadonlyMap<number, number>;
  /** The fan-in of its checks, once all are there. */
  submission: Submission | null;
}

/** The agreed state that commits must build on; null while it is not published. */
export interface BaseState {
  round: number;
  stateHash: string;
}

/** An evaluator's report as it was stored. */
export interface StoredReport {
  job: string;
  evaluator: string;
  hash: string;
  report: Report;
}

/** What has come since about updates that the last round used without a judgement. */
export interface LateReports {
  close: Close;
  /** Ascending. */
  peers: readonly string[];
  reports: readonly StoredReport[];
}

export type RoundFacts = RunFacts &
  (
    | { phase: "finished" }
    | { phase: "gather"; intents: readonly AnnouncedIntent[] }
    | {
        phase: "train";
        roster: Fact<Roster>;
        commits: readonly StoredCommit[];
        delivered: ReadonlySet<string>;
      }
    | {
        phase: "settle";
        roster: Fact<Roster>;
        cutoff: Fact<Cutoff>;
        commits: readonly SettledCommit[];
        /** Null when state r - 1 is not published (yet). */
        base: (BaseState & { proofSlices: readonly Uint8Array[] }) | null;
        /** False where no state is published after round r - 1 at all. */
        baseExpected: boolean;
      }
    | {
        phase: "evaluate";
        roster: Fact<Roster>;
        close: Fact<Close>;
        reports: readonly StoredReport[];
        /** Null: the last round used nothing unjudged. */
        late: LateReports | null;
      }
    | {
        phase: "aggregate";
        roster: Fact<Roster>;
        cutoff: Fact<Cutoff>;
        close: Fact<Close>;
        selection: Fact<Selection>;
        aggregates: Readonly<Record<AggregateSet, readonly ShardFile[]>>;
        guards: readonly StoredGuardReport[];
        base: BaseState | null;
      }
  );

export type FactsOf<P extends RoundFacts["phase"]> = Extract<RoundFacts, { phase: P }>;
