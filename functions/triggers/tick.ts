/**
 * A tick: decide until there is nothing left to decide, then set the timer of the phase that was entered.
 *
 * @module
 */
import { DEADLINE_MARGIN_MS } from "../coordinator/deadlines.ts";
import { type Advanced, advance } from "../rounds/advance.ts";
import { workAfter } from "../rounds/upkeep.ts";
import { sendTick, type TriggerEnvironment } from "./environment.ts";

/** SQS delays a message by 15 minutes at most; later deadlines are the sweep's. */
const MAX_DELAY_SECONDS = 900;

/** One decision at a time in a process: two would read the same facts and record the same object. */
export async function tick(environment: TriggerEnvironment, run: string, sweep = false): Promise<Advanced> {
  const { ticking } = environment;
  const before = ticking.get(run) ?? Promise.resolve();
  const mine = before.then(() => decideNow(environment, run, sweep));
  // Who comes next waits for the end of this one, not for its success.
  ticking.set(
    run,
    mine.catch(() => undefined),
  );
  return mine;
}

async function decideNow(environment: TriggerEnvironment, run: string, sweep: boolean): Promise<Advanced> {
  const { nudger, log, openRounds, owing, onTick } = environment;
  const context = await environment.run(run);
  const advanced = await advance(context, {
    from: openRounds.get(run),
    onRecord: () => owing.add(run),
    owed: owing.has(run),
    send: async (nudges) => {
      await nudger.send(nudges);
      owing.delete(run);
    },
    remind: sweep ? nudger.remind : undefined,
    onFinished: (round) => nudger.send(workAfter(context, round)),
  });
  const { facts, asOfMs, decision, recorded } = advanced;
  openRounds.set(run, facts.round);
  for (const { type, round } of recorded) log("info", `${type} recorded`, { run, round });
  if (recorded.length > 0 && decision.endsAtMs !== null) {
    const delaySeconds = Math.ceil((decision.endsAtMs + DEADLINE_MARGIN_MS - asOfMs) / 1_000);
    if (delaySeconds > 0 && delaySeconds <= MAX_DELAY_SECONDS)
      await sendTick(environment.ticks, run, delaySeconds);
  }
  onTick?.(run);
  return advanced;
}
