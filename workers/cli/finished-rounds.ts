/**
 * What commands read of rounds that are finished. Typed error `round-not-finished`.
 *
 * @module
 */
import type { FinishedRound } from "../../functions/coordinator/receipts.ts";
import { keys, type LedgerEntry, OuterloopError } from "../../schemas/index.ts";
import type { FactSource } from "./source.ts";

/** The round before the open one, by the head. */
export async function lastFinishedRound(source: FactSource): Promise<number> {
  const head = await source.read("head", keys.head(source.run));
  const round = (head?.body.round ?? 1) - 1;
  if (round >= 1) return round;
  throw new OuterloopError("round-not-finished", `no round of ${source.run} is finished yet`);
}

/** The objects of a finished round. */
export async function readRound(source: FactSource, round: number): Promise<FinishedRound> {
  const { run } = source;
  const [roster, close, selection, manifest] = await Promise.all([
    source.read("roster", keys.roster(run, round)),
    source.read("close", keys.close(run, round)),
    source.read("selection", keys.selection(run, round)),
    source.read("manifest", keys.manifest(run, round)),
  ]);
  if (roster === null || close === null || selection === null || manifest === null)
    throw new OuterloopError(
      "round-not-finished",
      `round ${round} of ${run} has no manifest yet: nothing is decided (\`outerloop status --why\`)`,
    );
  return { roster, close, selection, manifest };
}

/** Entries of the ledger after a round, all pages. */
export async function readLedger(source: FactSource, round: number): Promise<{ entries: LedgerEntry[] }> {
  const entries: LedgerEntry[] = [];
  for (let page = 0; ; page++) {
    const fact = await source.read("ledger", keys.ledger(source.run, round, page));
    if (fact === null && page === 0)
      throw new OuterloopError("round-not-finished", `round ${round} of ${source.run} has no ledger yet`);
    if (fact === null) return { entries };
    entries.push(...fact.body.entries);
  }
}
