/**
 * Finished rounds: their objects, and the ledger that follows from them.
 *
 * @module
 */
import { f64FromHex, type Genesis, keys, type LedgerPage, type Manifest } from "../../schemas/index.ts";
import type { Fact } from "../coordinator/facts.ts";
import { emptyLedger, type Ledger, ledgerAfter } from "../coordinator/ledger.ts";
import type { FinishedRound } from "../coordinator/receipts.ts";
import { readFact, requireFact } from "./objects.ts";
import type { RunContext } from "./run-context.ts";

/** The manifest of a round; null: the round is not finished. */
export function readManifest(context: RunContext, round: number): Promise<Fact<Manifest> | null> {
  return readFact(context, "manifest", keys.manifest(context.run, round));
}

/** The objects of a round whose manifest stands. */
export async function readFinishedRound(context: RunContext, round: number): Promise<FinishedRound> {
  const { run } = context;
  const [roster, close, selection, manifest] = await Promise.all([
    requireFact(context, "roster", keys.roster(run, round)),
    requireFact(context, "close", keys.close(run, round)),
    requireFact(context, "selection", keys.selection(run, round)),
    requireFact(context, "manifest", keys.manifest(run, round)),
  ]);
  return { roster, close, selection, manifest };
}

/**
 * The ledger after a round. Computed from the newest ledger there is: written pages are only a short cut, so a crash
 * between manifest and ledger costs nothing.
 */
export async function ledgerOf(context: RunContext, round: number): Promise<Ledger> {
  if (round === 0) return emptyLedger;
  const ledger = await context.cache.through(`ledger of ${round}`, async () => {
    const written = await readLedgerPages(context, round);
    if (written !== null) return written;
    const previous = await ledgerOf(context, round - 1);
    return ledgerAfter(
      previous,
      await readFinishedRound(context, round),
      ratingSettings(context.genesis.body),
    );
  });
  return ledger ?? emptyLedger;
}

/** Ratings start from, and drift by, what the genesis says: they must mean the same over the whole run. */
export function ratingSettings(genesis: Genesis): Genesis["config"]["gauntlet"]["rating"] {
  return genesis.config.gauntlet.rating;
}

/** Pages are written last page first, so the first one stands for all. */
async function readLedgerPages(context: RunContext, round: number): Promise<Ledger | null> {
  const pages: LedgerPage[] = [];
  for (;;) {
    const fact = await readFact(context, "ledger", keys.ledger(context.run, round, pages.length));
    if (fact === null) break;
    pages.push(fact.body);
  }
  const [first] = pages;
  if (first === undefined) return null;
  return {
    entries: new Map(pages.flatMap(({ entries }) => entries.map((entry) => [entry.peer, entry] as const))),
    evaluators: new Map(first.evaluators.map((record) => [record.evaluator, record])),
    medianNorm: first.medianNorm === null ? null : f64FromHex(first.medianNorm),
    secondsPerUpdate: first.secondsPerUpdate === null ? null : f64FromHex(first.secondsPerUpdate),
  };
}
