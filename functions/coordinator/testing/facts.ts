/**
 * Facts for tests: a round of small peers in any phase, each field to be replaced by what a test is about.
 *
 * @module
 */
import {
  type AggregateSet,
  type Close,
  type Commit,
  type Cutoff,
  type DataIndex,
  type EvaluatorRecord,
  f32ToHex,
  f64ToHex,
  type Genesis,
  type GuardReport,
  hashOf,
  type Job,
  type LedgerEntry,
  type Manifest,
  type Report,
  type Roster,
  type RunConfig,
  type Selection,
  type Submission,
  toInstant,
} from "../../../schemas/index.ts";
import { rosterDeadlines } from "../deadlines.ts";
import type { Fact, FactsOf, RunFacts, SettledCommit } from "../facts.ts";
import type { StoredGuardReport } from "../gauntlet/guard.ts";
import { packLosses } from "../gauntlet/losses.ts";
import { stateProof } from "../state-check.ts";

/** When rounds of tests begin, milliseconds since 1970. */
export const T0 = Date.UTC(2026, 0, 31, 12);
/** A made-up identity, 64 hex digits that begin with its number. */
export const peerId = (n: number) => n.toString(16).padStart(4, "0").padEnd(64, "a");
export const peerIds = (count: number) => Array.from({ length: count }, (_, i) => peerId(i + 1));
/** A made-up digest or link. */
export const digest = (name: string) => hashOf(name);
export const factOf = <Body>(body: Body): Fact<Body> => ({ body, hash: hashOf(body) });

export const runId = `test-${"0".repeat(32)}`;
export const rosterSeed = digest("roster seed");
const nextSeed = digest("the seed after this round");
const closeSeed = digest("close seed");

export const testConfig: RunConfig = {
  rounds: 20,
  model: {
    vocabulary: 256,
    width: 4,
    layers: 1,
    heads: 1,
    keyValueHeads: 1,
    feedForward: 4,
    sequenceLength: 8,
    ropeBase: 10_000,
    normEpsilon: 1e-5,
    tiedHead: true,
  },
  inner: {
    steps: 2,
    batchSize: 2,
    optimiser: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0, clipNorm: 1 },
    learningRate: { kind: "constant", peak: 0.001, warmupSteps: 0 },
  },
  outer: {
    alpha: [{ fromRound: 1, value: f32ToHex(1) }],
    beta: f32ToHex(0.95),
    keep: [{ fromRound: 1, value: 16 }],
    chunksPerShard: 1,
    downlink: "exact",
  },
  gather: { minPeers: 2, expectedAtStart: 2, maxPeers: 64, announceWindowSeconds: 10 },
  windows: {
    trainSeconds: 30,
    uploadSeconds: 5,
    graceSeconds: 2,
    checkSeconds: 10,
    evaluationSeconds: 20,
    aggregationSeconds: 15,
  },
  gauntlet: {
    minSubmissions: 2,
    maxSelected: 20,
    anchorSequences: 4,
    sequencesPerOwner: 2,
    ownersPerGroup: 8,
    stepFactor: 0.2,
    assignedTest: "matrix",
    judging: {
      budgetSeconds: 1_000,
      secondsPerUpdate: 1,
      secondOpinions: 0,
      canaries: 0,
      tolerance: 0.05,
      privateSequences: 1,
    },
    guardNats: 1,
    rating: { mu: 25, sigma: 25 / 3, beta: 7, tau: 0.1 },
  },
  heldOut: { windows: 4, everyRounds: 1 },
  stateEveryRounds: 1,
};

/** A configuration in which parts of one section are replaced. */
export function configWith<Section extends "gather" | "windows" | "gauntlet" | "inner" | "outer">(
  section: Section,
  changes: Partial<RunConfig[Section]>,
): RunConfig {
  return { ...testConfig, [section]: { ...testConfig[section], ...changes } };
}

export const testData: DataIndex = {
  source: "nothing",
  tokenType: "uint16",
  tokens: 4_000,
  shards: [{ shard: 0, tokens: 4_000, sha256: digest("text") }],
  train: { start: 0, end: 3_800 },
  heldOut: { start: 3_800, end: 4_000 },
};

export const testGenesis: Genesis = {
  protocol: 1,
  slug: "test",
  roots: [peerId(900)],
  keys: { coordinator: [peerId(901)], api: [peerId(902)], evaluators: [peerId(903), peerId(904)] },
  seedChain: { id: digest("chain"), anchor: digest("anchor"), links: 40 },
  config: testConfig,
  schemaDigest: digest("schema"),
  parameters: 1_000,
  state: {
    stateHash: digest("state"),
    shards: [{ shard: 0, sha256: digest("state shard"), sizeBytes: 4_000 }],
  },
  data: hashOf(testData),
};

/** One whose single report is enough. */
export const trustedEvaluator = (evaluator: string): EvaluatorRecord => ({
  evaluator,
  confirmed: 10,
  faults: [],
});

/** What holds in every phase; shards: 2. */
export function runFacts(changes: Partial<RunFacts> = {}): RunFacts {
  const config = changes.config ?? testConfig;
  return {
    run: runId,
    genesis: testGenesis,
    data: testData,
    config,
    configHash: hashOf(config),
    round: 1,
    shards: 2,
    previous: {
      manifest: digest("manifest before"),
      voidsInRow: 0,
      medianNorm: null,
      ledger: new Map(),
      evaluators: new Map(testGenesis.keys.evaluators.map((key) => [key, trustedEvaluator(key)])),
      secondsPerUpdate: null,
    },
    evaluators: testGenesis.keys.evaluators,
    paused: null,
    aborted: false,
    seeds: { roster: rosterSeed, close: closeSeed, next: nextSeed },
    ...changes,
  };
}

/** What the run remembers of a peer; a newcomer of round 1 unless told. */
export function ledgerEntry(peer: string, changes: Partial<LedgerEntry> = {}): LedgerEntry {
  return {
    peer,
    firstRound: 1,
    lastRound: 1,
    awaited: true,
    rating: { mu: f64ToHex(25), sigma: f64ToHex(25 / 3) },
    assignmentScore: f64ToHex(0),
    countedRounds: 0,
    judgedRounds: 0,
    helpedRounds: 0,
    recent: ["delivered"],
    deliveredRounds: [1],
    peerScore: f64ToHex(0),
    lossScore: null,
    lastVerdict: "not-selected",
    lastReason: { code: "not-judged", cause: "no-report" },
    selectedRounds: 0,
    refusedRounds: 0,
    standing: "probation",
    paid: f64ToHex(0),
    held: f64ToHex(0),
    forfeited: f64ToHex(0),
    recentShares: [],
    ...changes,
  };
}

/** An entry whose peer is established. */
export const establishedEntry = (peer: string, changes: Partial<LedgerEntry> = {}) =>
  ledgerEntry(peer, {
    standing: "established",
    judgedRounds: 10,
    helpedRounds: 10,
    countedRounds: 10,
    assignmentScore: f64ToHex(0.5),
    ...changes,
  });

export const ledgerFrom = (entries: readonly LedgerEntry[]) =>
  new Map(entries.map((entry) => [entry.peer, entry]));

export function gatherFacts(
  announced: readonly { peer: string; atMs: number }[],
  changes: Partial<RunFacts> = {},
): FactsOf<"gather"> {
  return {
    ...runFacts(changes),
    phase: "gather",
    intents: announced.map(({ peer, atMs }) => ({
      peer,
      hash: digest(`intent ${peer}`),
      leaving: false,
      announcedAtMs: atMs,
    })),
  };
}

/** A roster made at {@link T0}. */
export function rosterOf(
  peers: readonly string[],
  { run = runFacts(), notAwaited = [] as readonly string[] } = {},
): Fact<Roster> {
  return factOf({
    round: run.round,
    asOf: toInstant(T0),
    reason: "test",
    previousManifest: run.previous.manifest,
    config: run.configHash,
    seed: rosterSeed,
    peers: [...peers]
      .sort()
      .map((peer) => ({ peer, intent: digest(`intent ${peer}`), awaited: !notAwaited.includes(peer) })),
    keep: run.config.outer.keep[0]?.value ?? 16,
    alpha: run.config.outer.alpha[0]?.value ?? f32ToHex(1),
    beta: run.config.outer.beta,
    ...rosterDeadlines(run.config, T0),
  });
}

export function trainFacts(
  peers: readonly string[],
  {
    committed = [] as readonly string[],
    delivered = [] as readonly string[],
    notAwaited = [] as readonly string[],
    run = runFacts(),
  } = {},
): FactsOf<"train"> {
  return {
    ...run,
    phase: "train",
    roster: rosterOf(peers, { run, notAwaited }),
    commits: committed.map((peer) => ({ peer, storedAtMs: T0 + 1_000 })),
    delivered: new Set(delivered),
  };
}

export const proofSlices = [new Uint8Array([1, 2, 3, 4])];
export const stateNow = digest("state now");

/** What a peer's submission says when it is in order: norm 1, a support of its own. */
export function submissionOf(peer: string, changes: Partial<Submission> = {}): Submission {
  return {
    round: 1,
    peer,
    uploadedAt: toInstant(T0 + 2_000),
    refusal: null,
    tensorSquaredNorms: [f64ToHex(0.5), f64ToHex(0.5)],
    norm: f64ToHex(1),
    sketch: [sketchText(16, Number.parseInt(peer.slice(0, 4), 16) * 16), ""],
    decoded: digest(`decoded ${peer}`),
    ...changes,
  };
}

/** Indices `first` .. `first + count - 1`, as a check stores them. */
export function sketchText(count: number, first: number): string {
  return Buffer.from(Uint16Array.from({ length: count }, (_, i) => first + i).buffer).toString("base64");
}

/** A commit in good order with everything uploaded and checked. */
export function settledCommit(
  peer: string,
  changes: Partial<Omit<SettledCommit, "commit">> & { commit?: Partial<Commit> } = {},
): SettledCommit {
  const { commit: commitChanges, ...others } = changes;
  const commit: Commit = {
    round: 1,
    peer,
    manifest: digest("manifest before"),
    stateHash: stateNow,
    stateProof: stateProof(rosterSeed, peer, proofSlices),
    shards: [0, 1].map((shard) => ({ shard, sizeBytes: 100, sha256: digest(`${peer} ${shard}`) })),
    claimed: { innerSteps: 4, tokens: 128, meanLoss: 5 },
    ...commitChanges,
  };
  return {
    peer,
    storedAtMs: T0 + 1_000,
    hash: hashOf(commit),
    commit,
    uploads: new Map([
      [0, T0 + 2_000],
      [1, T0 + 2_000],
    ]),
    submission: submissionOf(peer),
    ...others,
  };
}

export function cutoffOf(roster: Fact<Roster>, { early = true, atMs = T0 + 3_000 } = {}): Fact<Cutoff> {
  return factOf({
    round: roster.body.round,
    asOf: toInstant(atMs),
    reason: "test",
    roster: roster.hash,
    early,
  });
}

export function settleFacts(
  commits: readonly SettledCommit[],
  {
    roster = commits.map(({ peer }) => peer) as readonly string[],
    early = true,
    run = runFacts(),
    base = { round: 0, stateHash: stateNow, proofSlices } as FactsOf<"settle">["base"],
    baseExpected = true,
  } = {},
): FactsOf<"settle"> {
  const standing = rosterOf(roster, { run });
  return {
    ...run,
    phase: "settle",
    roster: standing,
    cutoff: cutoffOf(standing, { early }),
    commits,
    base,
    baseExpected,
  };
}

/** A close over included peers, all in one job, with a clip of 1. */
export function closeOf(
  roster: Fact<Roster>,
  cutoff: Fact<Cutoff>,
  included: readonly string[],
  changes: Partial<Close> = {},
): Fact<Close> {
  const peers = [...included].sort();
  return factOf({
    round: roster.body.round,
    asOf: toInstant(T0 + 4_000),
    reason: "test",
    roster: roster.hash,
    cutoff: cutoff.hash,
    seed: closeSeed,
    medianNorm: f64ToHex(1),
    medianOfEstablished: false,
    submissions: peers.map((peer) => includedSubmission(peer)),
    clusters: [],
    plan: {
      step: f32ToHex(0.2),
      budget: { updates: 1_000, secondsPerUpdate: f64ToHex(1) },
      anchor: [100, 101, 102, 103],
      privateSequences: 1,
      jobs: peers.length === 0 ? [] : [jobOf(peers)],
    },
    ...changes,
  });
}

/** A job that one report settles, if its evaluator is trusted or alone. */
export function jobOf(peers: readonly string[], changes: Partial<Job> = {}): Job {
  return {
    job: "0000",
    peers: [...peers],
    owned: peers.map((_, i) => [2 * i, 2 * i + 1]),
    canary: null,
    ...changes,
  };
}

export function includedSubmission(peer: string): Close["submissions"][number] {
  return {
    peer,
    commit: digest(`commit ${peer}`),
    verdict: "included",
    refusal: null,
    norm: f64ToHex(1),
    clip: f32ToHex(1),
  };
}

/** How much each update improves: on every anchor sequence, and on each owner's sequences. */
export interface Gains {
  /** Per anchor sequence. */
  anchor: readonly number[];
  /** One figure an owner, in the order of the job's peers. */
  owned: readonly number[];
}

const BASE_LOSS = 5;

/** The report an honest evaluator gives when the updates of a job have these gains. */
export function reportOf(
  close: Fact<Close>,
  gains: (peer: string, place: number) => Gains,
  { job = "0000", evaluator = peerId(903), others = [] as readonly string[] } = {},
): FactsOf<"evaluate">["reports"][number] {
  const planned = close.body.plan.jobs.find((one) => one.job === job);
  if (planned === undefined) throw new Error(`no job ${job}`);
  const planSequences = [...close.body.plan.anchor, ...planned.owned.flat()].length;
  const sequences = planSequences + close.body.plan.privateSequences * (1 + others.length);
  const report: Report = {
    round: close.body.round,
    job,
    evaluator,
    close: close.hash,
    stateHash: stateNow,
    others: [...others],
    base: packLosses(new Array<number>(sequences).fill(BASE_LOSS)),
    canary: planned.canary === null ? null : packLosses(new Array<number>(sequences).fill(BASE_LOSS)),
    seconds: 0.5,
    losses: planned.peers.map((peer, place) => {
      const { anchor, owned } = gains(peer, place);
      const each = [
        ...close.body.plan.anchor.map((_, i) => anchor[i % anchor.length] ?? 0),
        ...planned.owned.flatMap((windows, owner) => windows.map(() => owned[owner] ?? 0)),
        ...new Array<number>(sequences - planSequences).fill(anchor[0] ?? 0),
      ];
      return { peer, losses: packLosses(each.map((gain) => BASE_LOSS - gain)) };
    }),
  };
  return { job, evaluator, hash: hashOf(report), report };
}

export function evaluateFacts(
  included: readonly string[],
  {
    gains = () => ({ anchor: [0.1], owned: [] }),
    close: closeChanges = {},
    run = runFacts(),
    roster: rosterPeers = included,
    reported = true,
  }: {
    gains?: (peer: string, place: number) => Gains;
    close?: Partial<Close>;
    run?: RunFacts;
    roster?: readonly string[];
    reported?: boolean;
  } = {},
): FactsOf<"evaluate"> {
  const roster = rosterOf(rosterPeers, { run });
  const close = closeOf(roster, cutoffOf(roster), included, closeChanges);
  const reports = reported ? close.body.plan.jobs.map(({ job }) => reportOf(close, gains, { job })) : [];
  return { ...run, phase: "evaluate", roster, close, reports, late: null };
}

/** Facts of the aggregation that follow from a selection. */
export function aggregateFacts(
  before: FactsOf<"evaluate">,
  selection: Fact<Selection>,
  { aggregated = [0, 1] as readonly number[], guarded = true, aborted = before.aborted } = {},
): FactsOf<"aggregate"> {
  const { reports: _, late: __, phase: ___, ...run } = before;
  return {
    ...run,
    phase: "aggregate",
    aborted,
    cutoff: cutoffOf(before.roster),
    selection,
    aggregates: {
      selected: aggregated.map((shard) => aggregateFile(shard)),
      established: [],
    },
    guards: guarded ? [guardOf(selection, "selected", 0)] : [],
    base: { round: before.round - 1, stateHash: stateNow },
  };
}

export const aggregateFile = (shard: number, set = "selected") => ({
  shard,
  sha256: digest(`aggregate ${shard} ${set}`),
  sizeBytes: 500,
});

/** A guard's report that finds the anchor loss changed by so many nats. */
export function guardOf(
  selection: Fact<Selection>,
  set: AggregateSet,
  change: number,
  evaluator = peerId(903),
): StoredGuardReport {
  const losses = (loss: number) => packLosses(new Array<number>(4).fill(loss));
  const report: GuardReport = {
    round: selection.body.round,
    set,
    evaluator,
    selection: selection.hash,
    stateHash: stateNow,
    base: losses(BASE_LOSS),
    after: losses(BASE_LOSS + change),
  };
  return { set, evaluator, hash: hashOf(report), report };
}

/** The manifest fact out of a recorded decision's body. */
export const manifestFact = (body: Manifest): Fact<Manifest> => factOf(body);
