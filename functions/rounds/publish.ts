/**
 * What follows from a manifest: receipts, ledger, then the head. All of it may be written again.
 *
 * @module
 */
import {
  type Head,
  head as headSchema,
  type Instant,
  isOuterloopError,
  keys,
  type RunConfig,
  signToBytes,
  toInstant,
  toMilliseconds,
  verifyBytes,
} from "../../schemas/index.ts";
import { DEADLINE_MARGIN_MS } from "../coordinator/deadlines.ts";
import type { RoundFacts } from "../coordinator/facts.ts";
import { ledgerPages } from "../coordinator/ledger.ts";
import { receiptsPages } from "../coordinator/receipts.ts";
import { ledgerOf, readFinishedRound, readManifest } from "./history.ts";
import { readFact, secretsOf, writeDerivedFact } from "./objects.ts";
import type { RunContext } from "./run-context.ts";

/** Writes what follows from the last finished round, unless somebody has, then moves the head: whoever sees it, finds all. */
export async function publish(context: RunContext, facts: RoundFacts, asOfMs: number): Promise<void> {
  const last = facts.round - 1;
  if (last > 0 && (await readFact(context, "ledger", keys.ledger(context.run, last, 0))) === null)
    await publishRound(context, last);
  await moveHead(context, facts, asOfMs);
}

/**
 * Writes receipts and ledger of a finished round; the first ledger page last, because it stands for all of them. Other
 * bytes in one place are an alarm (`derived-object-differs`), thrown once all else is written: no round may stick on it.
 */
export async function publishRound(context: RunContext, round: number): Promise<void> {
  const finished = await readFinishedRound(context, round);
  const ledger = await ledgerOf(context, round);
  const alarms: unknown[] = [];
  const write: typeof writeDerivedFact = (...args) =>
    writeDerivedFact(...args).catch((error: unknown) => {
      if (!isOuterloopError(error, "derived-object-differs")) throw error;
      alarms.push(error);
    });
  for (const page of receiptsPages(finished)) {
    await write(context, "receipts", keys.receipts(context.run, round, page.page), page);
  }
  for (const page of ledgerPages(ledger, finished).reverse()) {
    await write(context, "ledger", keys.ledger(context.run, round, page.page), page);
  }
  if (alarms.length > 0) throw alarms[0];
}

/**
 * Moves the head to the open round, if it is not there already. Only forward: a function with old eyes that meets a
 * newer head leaves it alone.
 */
async function moveHead(context: RunContext, facts: RoundFacts, asOfMs: number): Promise<void> {
  const { run, store } = context;
  const current = await store.get(keys.head(run));
  const next: Head = {
    run,
    round: facts.round,
    manifest: facts.previous.manifest,
    issuedAt: toInstant(asOfMs),
    nextBy: nextBy(facts),
    finished: facts.phase === "finished",
  };
  const body = current === null ? null : readableHead(context, current.bytes);
  if (body !== null) {
    const unchanged =
      body.round === next.round && body.finished === next.finished && body.nextBy === next.nextBy;
    if (body.round > next.round || unchanged) return;
  }
  // A conflict means that somebody else moved it: whoever comes next looks again.
  await store.compareAndSwap(
    keys.head(run),
    signToBytes("head", run, next, secretsOf(context).coordinator),
    current?.etag ?? null,
  );
}

/** The head, if it is one: what is not readable is a hint gone wrong, and is replaced. */
export function readableHead({ run, genesis }: RunContext, bytes: Uint8Array): Head | null {
  try {
    return verifyBytes("head", run, headSchema, bytes, { anyOf: genesis.body.keys.coordinator }).body;
  } catch (error) {
    if (isOuterloopError(error)) return null;
    throw error;
  }
}

/**
 * The round that the head calls open, so that a process that has just begun need not walk there from round 1. A head
 * that does not fit the manifest it names costs that walk, and nothing else.
 */
export async function roundOfHead(context: RunContext): Promise<number> {
  const object = await context.store.get(keys.head(context.run));
  const head = object === null ? null : readableHead(context, object.bytes);
  if (head === null || head.round <= 1) return 1;
  const before = await readManifest(context, head.round - 1);
  return before?.hash === head.manifest ? head.round : 1;
}

/** When the manifest of the open round is due at the latest; null while peers are gathered. */
export function nextBy(facts: RoundFacts): Instant | null {
  if (facts.phase === "gather" || facts.phase === "finished") return null;
  return toInstant(toMilliseconds(facts.roster.body.uploadedBy) + laterPhasesMs(facts.config));
}

function laterPhasesMs({ windows }: RunConfig): number {
  const phases = [windows.checkSeconds, windows.evaluationSeconds, windows.aggregationSeconds];
  return phases.reduce((sum, seconds) => sum + 1_000 * seconds + DEADLINE_MARGIN_MS, DEADLINE_MARGIN_MS);
}
