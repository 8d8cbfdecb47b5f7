/**
 * Takes a run as far as it will go: record, read again, decide, until nothing is left to record.
 *
 * @module
 */
import { keys } from "../../schemas/index.ts";
import { decide } from "../coordinator/decide.ts";
import type { Decision, DecisionObject, Nudge } from "../coordinator/decision.ts";
import type { RoundFacts } from "../coordinator/facts.ts";
import { phaseBeganMs } from "../coordinator/why.ts";
import { recordOnce } from "./objects.ts";
import { publish } from "./publish.ts";
import { readFacts } from "./read-facts.ts";
import type { RunContext } from "./run-context.ts";

/** Where a run stands after {@link advance}. */
export interface Advanced {
  facts: RoundFacts;
  asOfMs: number;
  decision: Decision;
  /** The decision objects recorded by this call. */
  recorded: { type: DecisionObject["type"]; round: number }[];
  /** Rounds that got their manifest in this call. */
  finished: number[];
}

export interface AdvanceOptions {
  /** A round known to be open or past; the head's where none is given. */
  from?: number | undefined;
  /** Called before a decision object is recorded: from then on its work is owed, come what may. */
  onRecord?: () => void;
  /** True: a phase was entered, and what it sets going was not asked for yet, because something failed in between. */
  owed?: boolean;
  /** Called with what the phase sets going, if it was entered now or is owed, and with what came up since. */
  send: (nudges: readonly Nudge[]) => Promise<void>;
  /** Given by the sweep: called with what a phase that was entered `ageMs` ago still waits for. */
  remind?: ((nudges: readonly Nudge[], ageMs: number) => Promise<void>) | undefined;
  /** Called for every round that has just finished, after the head was moved: peers must not wait for this work. */
  onFinished?: (round: number) => Promise<void>;
}

export async function advance(context: RunContext, options: AdvanceOptions): Promise<Advanced> {
  const recorded: Advanced["recorded"] = [];
  const finished: number[] = [];
  let { from } = options;
  for (;;) {
    const { facts, asOfMs } = await readFacts(context, from);
    from = facts.round;
    const decision = decide(facts, asOfMs);
    if (decision.record === null || context.secrets === undefined) {
      if (recorded.length > 0 || options.owed === true) await options.send(decision.nudges);
      else {
        if (decision.followUps.length > 0) await options.send(decision.followUps);
        await options.remind?.(decision.nudges, asOfMs - (phaseBeganMs(facts, null) ?? 0));
      }
      if (context.secrets !== undefined) await publish(context, facts, asOfMs);
      for (const round of finished) await options.onFinished?.(round);
      return { facts, asOfMs, decision, recorded, finished };
    }
    options.onRecord?.();
    await record(context, facts.round, decision.record);
    recorded.push({ type: decision.record.type, round: facts.round });
    if (decision.record.type === "manifest") finished.push(facts.round);
  }
}

async function record(context: RunContext, round: number, object: DecisionObject): Promise<void> {
  const { run } = context;
  switch (object.type) {
    case "roster":
      return void (await recordOnce(context, "roster", keys.roster(run, round), object.body));
    case "cutoff":
      return void (await recordOnce(context, "cutoff", keys.cutoff(run, round), object.body));
    case "close":
      return void (await recordOnce(context, "close", keys.close(run, round), object.body));
    case "selection":
      return void (await recordOnce(context, "selection", keys.selection(run, round), object.body));
    case "manifest":
      return void (await recordOnce(context, "manifest", keys.manifest(run, round), object.body));
  }
}
