/**
 * Work off the critical path: states and held-out losses.
 *
 * @module
 */
import { keys, prefixes } from "../../schemas/index.ts";
import type { Nudge } from "../coordinator/decision.ts";
import { readFact } from "./objects.ts";
import type { RunContext } from "./run-context.ts";

/** Rounds that the sweep looks back over for a held-out loss: nobody asks for one that is older. */
export const LOOK_BACK_ROUNDS = 50;

/** What a round that has just finished sets going. Round 0 is the genesis: only its held-out loss is missing. */
export function workAfter(context: RunContext, round: number): Nudge[] {
  return [...stateNudges(context, round), ...heldOutNudges(context, round)];
}

/** What is missing behind the open round, older rounds first: a state needs the one before it. */
export async function missingWork(context: RunContext, openRound: number): Promise<Nudge[]> {
  return [...(await missingStates(context, openRound)), ...(await missingHeldOut(context, openRound))];
}

/** However long ago it was: every later state builds on the oldest that is missing. */
async function missingStates(context: RunContext, openRound: number): Promise<Nudge[]> {
  const nudges: Nudge[][] = [];
  for (let round = openRound - 1; round > 0; round--) {
    const due = stateNudges(context, round);
    if (due.length === 0) continue;
    if ((await readFact(context, "state", keys.state(context.run, round))) !== null) break;
    nudges.unshift(due);
  }
  return nudges.flat();
}

async function missingHeldOut(context: RunContext, openRound: number): Promise<Nudge[]> {
  const nudges: Nudge[][] = [];
  for (let round = openRound - 1; round >= Math.max(0, openRound - LOOK_BACK_ROUNDS); round--) {
    const due = heldOutNudges(context, round);
    if (due.length > 0 && (await isEmpty(context, prefixes.heldOut(context.run, round)))) nudges.unshift(due);
    else if (nudges.length === 0 && round < openRound - 2) break;
  }
  return nudges.flat();
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
