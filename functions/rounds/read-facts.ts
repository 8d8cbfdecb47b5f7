/**
 * Reads what a decision needs, and no more: the listings of the phase the round is in.
 *
 * @module
 */
import {
  type AggregateSet,
  keys,
  type Manifest,
  parseGuardKey,
  parseIntentKey,
  parseReportKey,
  parseSubmissionKey,
  parseUploadKey,
  prefixes,
  type ShardFile,
  toMilliseconds,
} from "../../schemas/index.ts";
import {
  configByHash,
  isAborted,
  keysInRound,
  latestConfig,
  pausedBecause,
  resumedSince,
  type StoredControl,
} from "../coordinator/controls.ts";
import type {
  AnnouncedIntent,
  BaseState,
  Fact,
  LateReports,
  RoundFacts,
  RunFacts,
  SettledCommit,
  StoredCommit,
} from "../coordinator/facts.ts";
import type { StoredGuardReport } from "../coordinator/gauntlet/guard.ts";
import { closeLink, rosterLink } from "../coordinator/seed-chain.ts";
import { proofRanges } from "../coordinator/state-check.ts";
import { listAll } from "../storage/object-store.ts";
import { acceptableGuard, acceptableReport } from "./accept-report.ts";
import { ledgerOf, readFinishedRound, readManifest } from "./history.ts";
import { inParallel } from "./in-parallel.ts";
import { readFact, readForeignFact } from "./objects.ts";
import { roundOfHead } from "./publish.ts";
import { readControls } from "./read-controls.ts";
import type { RunContext } from "./run-context.ts";
import { readElements } from "./state-files.ts";

/** Facts and the store's time at which reading them began. */
export interface DatedFacts {
  facts: RoundFacts;
  asOfMs: number;
}

/**
 * Reads the open round. `from`: a round known to be open or past (the last one seen; the head's where none is given);
 * the read goes on from there until it finds a round without a manifest.
 */
export async function readFacts(context: RunContext, from?: number): Promise<DatedFacts> {
  const asOfMs = await context.store.now();
  const round = await openRound(context, from ?? (await roundOfHead(context)));
  return { facts: await readRound(context, round), asOfMs };
}

async function openRound(context: RunContext, from: number): Promise<number> {
  let round = Math.max(1, from);
  while ((await readManifest(context, round)) !== null) round++;
  return round;
}

async function readRound(context: RunContext, round: number): Promise<RoundFacts> {
  const { run } = context;
  const [controls, roster] = await Promise.all([
    readControls(context),
    readFact(context, "roster", keys.roster(run, round)),
  ]);
  const common = await readRunFacts(context, round, controls);
  if (roster === null) {
    // Beyond the seed chain nothing can be drawn: a longer run needs a new one.
    const drawable = rosterLink(round + 1) <= context.genesis.body.seedChain.links;
    if (round > common.config.rounds || !drawable) return { ...common, phase: "finished" };
    return { ...common, phase: "gather", intents: await readIntents(context, common) };
  }

  // An open round runs under the configuration its roster pinned, whatever was announced since.
  const pinned = configByHash(context.genesis.body, controls, roster.body.config);
  if (pinned !== null) Object.assign(common, { config: pinned, configHash: roster.body.config });

  const cutoff = await readFact(context, "cutoff", keys.cutoff(run, round));
  if (cutoff === null)
    return { ...common, phase: "train", roster, ...(await readSubmissions(context, round)) };

  const close = await readFact(context, "close", keys.close(run, round));
  if (close === null) {
    const base = await readBase(context, round);
    return {
      ...common,
      phase: "settle",
      roster,
      cutoff,
      commits: await readSettledCommits(context, round),
      base: base && { ...base, proofSlices: await readProofSlices(context, base.round, roster.body.seed) },
      baseExpected: (round - 1) % common.config.stateEveryRounds === 0,
    };
  }

  const selection = await readFact(context, "selection", keys.selection(run, round));
  if (selection === null) {
    const base = await readBase(context, round);
    const expected = { close, stateHash: base?.stateHash ?? null };
    const reports = await readReports(context, round, common.evaluators, expected);
    return { ...common, phase: "evaluate", roster, close, reports, late: await readLate(context, common) };
  }
  const base = await readBase(context, round);
  return {
    ...common,
    phase: "aggregate",
    roster,
    cutoff,
    close,
    selection,
    aggregates: {
      selected: await readAggregates(context, round, "selected"),
      // Nobody writes it before the guard has refused the other.
      established: await readAggregates(context, round, "established"),
    },
    guards: await readGuards(context, round, common.evaluators, {
      selection: selection.hash,
      stateHash: base?.stateHash ?? null,
      sequences: close.body.plan.anchor.length,
    }),
    base,
  };
}

/** What came of the updates that the last round used without a judgement. */
async function readLate(context: RunContext, facts: RunFacts): Promise<LateReports | null> {
  const round = facts.round - 1;
  if (round === 0) return null;
  const { close, selection, manifest } = await readFinishedRound(context, round);
  const { set } = manifest.body;
  const used = set === null ? [] : selection.body[set];
  const peers = used.filter(({ judged }) => !judged).map(({ peer }) => peer);
  if (peers.length === 0) return null;
  const base = await readBase(context, round);
  const expected = { close, stateHash: base?.stateHash ?? null };
  // What has come by now counts: a later reader may find more, so this listing is not kept.
  return { close: close.body, peers, reports: await readReports(context, round, facts.evaluators, expected) };
}

async function readRunFacts(
  context: RunContext,
  round: number,
  controls: readonly StoredControl[],
): Promise<RunFacts> {
  const { genesis, secrets } = context;
  const { config, hash } = latestConfig(genesis.body, controls);
  const last = round === 1 ? null : await readFinishedRound(context, round - 1);
  const manifest: Fact<Manifest> | null = last?.manifest ?? null;
  const ledger = await ledgerOf(context, round - 1);
  return {
    run: context.run,
    genesis: genesis.body,
    data: context.data,
    config,
    configHash: hash,
    round,
    shards: context.layout.shards.length,
    previous: {
      manifest: manifest?.hash ?? genesis.hash,
      voidsInRow:
        manifest === null || resumedSince(controls, toMilliseconds(manifest.body.asOf))
          ? 0
          : manifest.body.voidsInRow,
      medianNorm: ledger.medianNorm,
      ledger: ledger.entries,
      evaluators: ledger.evaluators,
      secondsPerUpdate: ledger.secondsPerUpdate,
    },
    evaluators: keysInRound(genesis.body, controls, round).evaluators,
    paused: pausedBecause(controls),
    aborted: isAborted(controls, round),
    ...(secrets !== undefined && rosterLink(round + 1) <= genesis.body.seedChain.links
      ? {
          seeds: {
            roster: secrets.chain.link(rosterLink(round)),
            close: secrets.chain.link(closeLink(round)),
            next: secrets.chain.link(rosterLink(round + 1)),
          },
        }
      : {}),
  };
}

async function readIntents(context: RunContext, facts: RunFacts) {
  const listed = await Array.fromAsync(listAll(context.store, prefixes.intents(context.run, facts.round)));
  const intents = await inParallel(listed, async ({ key, lastModifiedMs }): Promise<AnnouncedIntent[]> => {
    const peer = parseIntentKey(key);
    const intent = peer && (await readForeignFact(context, "intent", key, peer));
    if (!peer || !intent || intent.body.manifest !== facts.previous.manifest) return [];
    return [{ peer, hash: intent.hash, announcedAtMs: lastModifiedMs, leaving: intent.body.leaving }];
  });
  return intents.flat();
}

async function readSubmissions(context: RunContext, round: number) {
  const commits: StoredCommit[] = [];
  const delivered = new Set<string>();
  for await (const { key, lastModifiedMs } of listAll(context.store, prefixes.sealed(context.run, round))) {
    const parsed = parseSubmissionKey(key);
    if (parsed?.part === "commit") commits.push({ peer: parsed.peer, storedAtMs: lastModifiedMs });
    if (parsed?.part === "submission") delivered.add(parsed.peer);
  }
  return { commits, delivered };
}

async function readSettledCommits(context: RunContext, round: number): Promise<SettledCommit[]> {
  const { run } = context;
  const { commits } = await readSubmissions(context, round);
  const uploads = new Map<string, Map<number, number>>();
  for await (const { key, lastModifiedMs } of listAll(context.store, prefixes.uploads(run, round))) {
    const parsed = parseUploadKey(key);
    if (parsed === null) continue;
    const ofPeer = uploads.get(parsed.peer) ?? new Map<number, number>();
    uploads.set(parsed.peer, ofPeer.set(parsed.shard, lastModifiedMs));
  }
  const settled = await inParallel(commits, async ({ peer, storedAtMs }): Promise<SettledCommit[]> => {
    const [commit, submission] = await Promise.all([
      readForeignFact(context, "commit", keys.commit(run, round, peer), peer),
      readFact(context, "submission", keys.submission(run, round, peer)),
    ]);
    if (commit === null) return [];
    return [
      {
        peer,
        storedAtMs,
        hash: commit.hash,
        commit: commit.body,
        uploads: uploads.get(peer) ?? new Map(),
        submission: submission?.body ?? null,
      },
    ];
  });
  return settled.flat();
}

async function readReports(
  context: RunContext,
  round: number,
  evaluators: readonly string[],
  expected: Parameters<typeof acceptableReport>[1],
) {
  const listed = await Array.fromAsync(listAll(context.store, prefixes.reports(context.run, round)));
  const reports = await inParallel(listed, async ({ key }) => {
    const parsed = parseReportKey(key);
    if (parsed === null || !evaluators.includes(parsed.evaluator)) return [];
    const report = await readForeignFact(context, "report", key, parsed.evaluator);
    if (report === null || acceptableReport(report.body, expected) !== null) return [];
    return [{ job: parsed.job, evaluator: parsed.evaluator, hash: report.hash, report: report.body }];
  });
  return reports.flat();
}

async function readGuards(
  context: RunContext,
  round: number,
  evaluators: readonly string[],
  expected: Parameters<typeof acceptableGuard>[1],
): Promise<StoredGuardReport[]> {
  const listed = await Array.fromAsync(listAll(context.store, prefixes.guards(context.run, round)));
  const reports = await inParallel(listed, async ({ key }): Promise<StoredGuardReport[]> => {
    const parsed = parseGuardKey(key);
    if (parsed === null || !evaluators.includes(parsed.evaluator)) return [];
    const report = await readForeignFact(context, "guard", key, parsed.evaluator);
    if (report === null || acceptableGuard(report.body, expected) !== null) return [];
    return [{ ...parsed, hash: report.hash, report: report.body }];
  });
  return reports.flat();
}

async function readAggregates(context: RunContext, round: number, set: AggregateSet): Promise<ShardFile[]> {
  const { run, layout } = context;
  const records = await Promise.all(
    layout.shards.map(({ number }) =>
      readFact(context, "aggregate-record", keys.aggregateRecord(run, round, number, set)),
    ),
  );
  return records.flatMap((record) => {
    if (record === null) return [];
    const { shard, sha256, sizeBytes } = record.body;
    return [{ shard, sha256, sizeBytes }];
  });
}

/** State r - 1, once it is published. */
async function readBase(context: RunContext, round: number): Promise<BaseState | null> {
  const { stateEveryRounds } = context.genesis.body.config;
  if ((round - 1) % stateEveryRounds !== 0) return null;
  const state = await readFact(context, "state", keys.state(context.run, round - 1));
  return state === null ? null : { round: round - 1, stateHash: state.body.stateHash };
}

async function readProofSlices(context: RunContext, round: number, seed: string): Promise<Uint8Array[]> {
  const ranges = proofRanges(seed, context.layout.parameters);
  const slices = await context.cache.through(`proof slices of ${round}`, () =>
    Promise.all(ranges.map(({ start, end }) => readElements(context, round, start, end))),
  );
  return slices ?? [];
}
