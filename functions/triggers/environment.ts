/**
 * What every trigger is given: runs, queues, and where to report.
 *
 * @module
 */
import type { FunctionMessage } from "../../schemas/index.ts";
import type { Nudger } from "../rounds/nudger.ts";
import type { RunContext } from "../rounds/run-context.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import type { Queue } from "../storage/queue.ts";

/** One line for an operator, with fields for a machine. */
export type Log = (
  level: "info" | "warning" | "error",
  message: string,
  fields?: Record<string, unknown>,
) => void;

export interface TriggerEnvironment {
  readonly store: ObjectStore;
  /** Asks for decisions; consumed in batches. */
  readonly ticks: Queue;
  /** Work on single shards: uploads to check, aggregates, states. */
  readonly shards: Queue;
  /** Jobs for evaluators. */
  readonly jobs: Queue;
  readonly nudger: Nudger;
  readonly log: Log;
  /** Opens a run once and keeps it. */
  run(run: string): Promise<RunContext>;
  /** The last tick of a run in this process: the next one waits for it. */
  readonly ticking: Map<string, Promise<unknown>>;
  /** Runs of which this process has entered a phase and not asked for its work yet: something failed in between. */
  readonly owing: Set<string>;
  /** The last round seen open in a run: where the next read begins. Shared by the handlers of a process. */
  readonly openRounds: Map<string, number>;
  /** Called after every tick that looked at a run (the embedded API pushes pictures to pages from it). */
  readonly onTick?: (run: string) => void;
}

/** Asks for a decision: ticks are consumed in batches, one decision a run and batch. */
export async function sendTick(ticks: Queue, run: string, delaySeconds = 0): Promise<void> {
  const message: FunctionMessage = { type: "tick", run };
  await ticks.send(JSON.stringify(message), delaySeconds > 0 ? { delaySeconds } : {});
}
