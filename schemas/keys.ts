/**
 * Keys of the bucket, as functions. Round numbers are zero-padded so that listing is ordering.
 *
 * `uploads/` and `sealed/` belong to functions alone; `public/` is for everybody; `views/` are pictures.
 *
 * @module
 */

import type { AggregateSet } from "./primitives.ts";

const ROUND_DIGITS = 8;
const SHARD_DIGITS = 5;

const round8 = (round: number) => String(round).padStart(ROUND_DIGITS, "0");
const shard5 = (shard: number) => String(shard).padStart(SHARD_DIGITS, "0");

/** Prefixes, each with its trailing slash. */
export const prefixes = {
  uploads: (run: string, round: number) => `uploads/${run}/${round8(round)}/`,
  uploadsOfPeer: (run: string, round: number, peer: string) => `uploads/${run}/${round8(round)}/${peer}/`,
  sealed: (run: string, round: number) => `sealed/${run}/${round8(round)}/`,
  sealedOfPeer: (run: string, round: number, peer: string) => `sealed/${run}/${round8(round)}/${peer}/`,
  sealedAggregates: (run: string, round: number) => `sealed/${run}/${round8(round)}/aggregates/`,
  sealedStates: (run: string, round: number) => `sealed/${run}/${round8(round)}/states/`,
  reports: (run: string, round: number) => `sealed/${run}/${round8(round)}/reports/`,
  guards: (run: string, round: number) => `sealed/${run}/${round8(round)}/guards/`,
  public: (run: string) => `public/${run}/`,
  controls: (run: string) => `public/${run}/controls/`,
  peers: (run: string) => `public/${run}/peers/`,
  rounds: (run: string) => `public/${run}/rounds/`,
  round: (run: string, round: number) => `public/${run}/rounds/${round8(round)}/`,
  intents: (run: string, round: number) => `public/${run}/rounds/${round8(round)}/intents/`,
  aggregates: (run: string, round: number) => `public/${run}/rounds/${round8(round)}/aggregates/`,
  heldOut: (run: string, round: number) => `public/${run}/rounds/${round8(round)}/held-out/`,
  stateShards: (run: string, round: number) => `public/${run}/states/${round8(round)}/`,
  active: () => "active/",
} as const;

/** One object each. */
export const keys = {
  upload: (run: string, round: number, peer: string, shard: number) =>
    `${prefixes.uploadsOfPeer(run, round, peer)}${shard5(shard)}.slc`,
  commit: (run: string, round: number, peer: string) =>
    `${prefixes.sealedOfPeer(run, round, peer)}commit.json`,
  check: (run: string, round: number, peer: string, shard: number) =>
    `${prefixes.sealedOfPeer(run, round, peer)}${shard5(shard)}.check.json`,
  submission: (run: string, round: number, peer: string) =>
    `${prefixes.sealedOfPeer(run, round, peer)}submission.json`,
  report: (run: string, round: number, job: string, evaluator: string) =>
    `${prefixes.reports(run, round)}${job}/${evaluator}.json`,
  guard: (run: string, round: number, set: AggregateSet, evaluator: string) =>
    `${prefixes.guards(run, round)}${set}/${evaluator}.json`,
  /** Written after the aggregate it describes: its arrival means that the shard is done. */
  aggregateRecord: (run: string, round: number, shard: number, set: AggregateSet) =>
    `${prefixes.sealedAggregates(run, round)}${set}/${shard5(shard)}.json`,
  /** Likewise for one shard of a state. */
  stateRecord: (run: string, round: number, shard: number) =>
    `${prefixes.sealedStates(run, round)}${shard5(shard)}.json`,

  head: (run: string) => `public/${run}/head.json`,
  genesis: (run: string) => `public/${run}/genesis.json`,
  control: (run: string, number: number) => `${prefixes.controls(run)}${round8(number)}.json`,
  dataIndex: (run: string) => `public/${run}/data/index.json`,
  dataShard: (run: string, shard: number) => `public/${run}/data/${shard5(shard)}.bin`,
  peer: (run: string, peer: string) => `${prefixes.peers(run)}${peer}.json`,

  intent: (run: string, round: number, peer: string) => `${prefixes.intents(run, round)}${peer}.json`,
  roster: (run: string, round: number) => `${prefixes.round(run, round)}roster.json`,
  cutoff: (run: string, round: number) => `${prefixes.round(run, round)}cutoff.json`,
  close: (run: string, round: number) => `${prefixes.round(run, round)}close.json`,
  selection: (run: string, round: number) => `${prefixes.round(run, round)}selection.json`,
  aggregate: (run: string, round: number, shard: number, set: AggregateSet) =>
    `${prefixes.aggregates(run, round)}${set}/${shard5(shard)}.sla`,
  manifest: (run: string, round: number) => `${prefixes.round(run, round)}manifest.json`,
  receipts: (run: string, round: number, page: number) =>
    `${prefixes.round(run, round)}receipts/${shard5(page)}.json`,
  ledger: (run: string, round: number, page: number) =>
    `${prefixes.round(run, round)}ledger/${shard5(page)}.json`,
  heldOut: (run: string, round: number, evaluator: string) =>
    `${prefixes.heldOut(run, round)}${evaluator}.json`,

  stateShard: (run: string, round: number, shard: number) =>
    `${prefixes.stateShards(run, round)}${shard5(shard)}.f32`,
  state: (run: string, round: number) => `public/${run}/states/${round8(round)}.json`,
  active: (run: string) => `active/${run}`,
  statusView: (run: string) => `views/${run}/status.json`,
} as const;

const ROUND_IN_KEY = /^(?:public\/[^/]+\/(?:rounds|states)|sealed\/[^/]+)\/(\d{8})[/.]/;
const NUMBERED =
  /\/(controls|receipts|ledger|states|selected|established|[0-9a-f]{64})\/(\d{5,8})\.(?:check\.)?json$/;
const NUMBER_FIELDS: Readonly<Record<string, string>> = {
  controls: "number",
  receipts: "page",
  ledger: "page",
  states: "shard",
  selected: "shard",
  established: "shard",
};

/**
 * A signature covers type and run of an object, not the rest of its key: without this, an older object of the same
 * type could be shown under a newer key. Null: the body belongs there; else what differs, in words.
 */
export function misplaced(key: string, body: unknown): string | null {
  const fields = new Map<string, unknown>(Object.entries(body ?? {}));
  const differs = (field: string, expected: unknown) =>
    fields.has(field) && fields.get(field) !== expected
      ? `${field} is ${String(fields.get(field))} in the body and ${String(expected)} in the key ${key}`
      : null;
  const round = ROUND_IN_KEY.exec(key)?.[1];
  const [, folder, number] = NUMBERED.exec(key) ?? [];
  const job = /\/reports\/([^/]+)\//.exec(key)?.[1];
  const set = /\/(?:guards|aggregates)\/([^/]+)\//.exec(key)?.[1];
  const member = /([0-9a-f]{64})(?:\.json|\/[^/]+)$/.exec(key)?.[1];
  return (
    (round === undefined ? null : differs("round", Number(round))) ??
    (folder === undefined ? null : differs(NUMBER_FIELDS[folder] ?? "shard", Number(number))) ??
    (job === undefined ? null : differs("job", job)) ??
    (set === undefined ? null : differs("set", set)) ??
    (member === undefined ? null : (differs("peer", member) ?? differs("evaluator", member)))
  );
}

/** True for objects that anybody may read without a ticket where the API itself serves them. */
export function isPublicKey(key: string): boolean {
  return key.startsWith("public/") || key.startsWith("views/");
}

const UPLOAD = /^uploads\/([^/]+)\/(\d{8})\/([0-9a-f]{64})\/(\d{5})\.slc$/;
const REPORT = /^sealed\/([^/]+)\/(\d{8})\/reports\/([^/]+)\/([0-9a-f]{64})\.json$/;
const SUBMISSION_PART = /^sealed\/[^/]+\/(\d{8})\/([0-9a-f]{64})\/(commit|submission)\.json$/;
const GUARD = /^sealed\/[^/]+\/\d{8}\/guards\/(selected|established)\/([0-9a-f]{64})\.json$/;
const INTENT = /^public\/[^/]+\/rounds\/\d{8}\/intents\/([0-9a-f]{64})\.json$/;

/** Reads the key of an uploaded shard; null for any other key. */
export function parseUploadKey(
  key: string,
): { run: string; round: number; peer: string; shard: number } | null {
  const [, run, round, peer, shard] = UPLOAD.exec(key) ?? [];
  if (run === undefined || peer === undefined) return null;
  return { run, round: Number(round), peer, shard: Number(shard) };
}

/** Reads the key of a report; null for any other key. */
export function parseReportKey(
  key: string,
): { run: string; round: number; job: string; evaluator: string } | null {
  const [, run, round, job, evaluator] = REPORT.exec(key) ?? [];
  if (run === undefined || job === undefined || evaluator === undefined) return null;
  return { run, round: Number(round), job, evaluator };
}

/** Reads the key of a commit or of a submission; null for any other key. */
export function parseSubmissionKey(
  key: string,
): { round: number; peer: string; part: "commit" | "submission" } | null {
  const [, round, peer, part] = SUBMISSION_PART.exec(key) ?? [];
  if (peer === undefined) return null;
  return { round: Number(round), peer, part: part === "commit" ? "commit" : "submission" };
}

/** Reads the key of a guard's report; null for any other key. */
export function parseGuardKey(key: string): { set: AggregateSet; evaluator: string } | null {
  const [, set, evaluator] = GUARD.exec(key) ?? [];
  if (evaluator === undefined) return null;
  return { set: set === "established" ? "established" : "selected", evaluator };
}

/** Reads the peer out of the key of an intent; null for any other key. */
export function parseIntentKey(key: string): string | null {
  return INTENT.exec(key)?.[1] ?? null;
}
