/**
 * Work off the critical path: states, held-out losses, and receipts or ledgers that a crash left unwritten.
 *
 * @module
 */
import { keys, prefixes } from "../../schemas/index.ts";
import type { Nudge } from "../coordinator/decision.ts";
import { readManifest } from "./history.ts";
import { readFact } from "./objects.ts";
import { publishRound } from "./publish.ts";
import type { RunContext } from "./run-context.ts";

/** Rounds that the sweep looks back over: older gaps are beyond what a crash leaves. */
export const LOOK_BACK_ROUNDS = 50;

/** What a round that has just finished sets going. Round 0 is the genesis: only its held-out loss is missing. */
export function workAfter(context: RunContext, round: number): Nudge[] {
  return [...stateNudges(context, round), ...heldOutNudges(context, round)];
}

/** Finds and mends what is missing behind the open round; returns the work to ask for again. */
export async function missingWork(context: RunContext, openRound: number): Promise<Nudge[]> {
  const { run, store } = context;
  const nudges: Nudge[] = [];
  for (let round = openRound - 1; round >= Math.max(0, openRound - LOOK_BACK_ROUNDS); round--) {
    const heldOut = heldOutNudges(context, round);
    if (heldOut.length > 0 && (await isEmpty(context, prefixes.heldOut(run, round)))) nudges.push(...heldOut);
    if (round === 0) break;
    if ((await readManifest(context, round)) === null) continue;
    if ((await store.head(keys.ledger(run, round, 0))) === null) await publishRound(context, round);
    const states = stateNudges(context, round);
    if (states.length > 0 && (await readFact(context, "state", keys.state(run, round))) === null)
      nudges.push(...states);
    else if (nudges.length === 0 && round < openRound - 2) break;
  }
  // Older rounds first: a state needs the one before it.
  return nudges.reverse();
}

async function isEmpty(context: RunContext, prefix: string): Promise<boolean> {
  const found = await context.cache.through(`any under ${prefix}`, async () => {
    const page = await context.store.list(prefix, { limit: 1 });
    return page.objects.length > 0 ? true : null;
  });
  return found === null;
}

function stateNudges(context: RunContext, round: number): Nudge[] {
  if (round === 0 || round % context.genesis.body.config.stateEveryRounds !== 0) return [];
  return context.layout.shards.map(({ number }) => ({
    queue: "shards",
    message: { type: "state", run: context.run, round, shard: number },
  }));
}

function heldOutNudges(context: RunContext, round: number): Nudge[] {
  if (round % context.genesis.body.config.heldOut.everyRounds !== 0) return [];
  return [{ queue: "jobs", message: { type: "held-out", run: context.run, round } }];
}
