/**
 * Runs the functions in this process: the same handlers that Lambda would call, fed from an in-process queue, with a
 * quick sweep in place of the one-minute timer.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { dispatch, watchedPrefixes } from "../../functions/triggers/dispatch.ts";
import type { TriggerEnvironment } from "../../functions/triggers/environment.ts";
import { sweep } from "../../functions/triggers/sweep.ts";
import {
  type FunctionMessage,
  parseAggregateRecordKey,
  parseReportKey,
  parseUploadKey,
} from "../../schemas/index.ts";

const SWEEP_MS = 250;
const LEASE_SECONDS = 60;
const BATCH = 10;

export interface RunnerOptions {
  environment: TriggerEnvironment;
  signal: AbortSignal;
  /** Asked for each creation event: true loses it. For tests of the sweep. */
  loseEvent?: (key: string) => boolean;
  sweepMs?: number;
}

/** Works until `signal`; returns when both loops have ended. */
export async function runFunctions({
  environment,
  signal,
  loseEvent,
  sweepMs = SWEEP_MS,
}: RunnerOptions): Promise<void> {
  const unsubscribe = watchedPrefixes.map((prefix) =>
    environment.store.onCreated(prefix, ({ key }) => {
      if (!isWatched(key) || loseEvent?.(key) === true) return;
      const message: FunctionMessage = { type: "created", key };
      environment.functions.send(JSON.stringify(message)).catch((error: unknown) => {
        environment.log("warning", `event of ${key} lost: ${String(error)}`);
      });
    }),
  );
  try {
    await Promise.all([consume(environment, signal), sweepLoop(environment, signal, sweepMs)]);
  } finally {
    for (const stop of unsubscribe) stop();
  }
}

/** Checks and commits are created under the same prefix; only these keys mean work. */
function isWatched(key: string): boolean {
  return (
    parseUploadKey(key) !== null || parseReportKey(key) !== null || parseAggregateRecordKey(key) !== null
  );
}

async function consume(environment: TriggerEnvironment, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const messages = await environment.functions.receive({
      max: BATCH,
      leaseSeconds: LEASE_SECONDS,
      waitSeconds: 1,
    });
    const failed = await dispatch(environment, messages);
    for (const message of messages) {
      if (!failed.includes(message)) await environment.functions.ack(message);
      // A lease that is gone has given the message back already.
      else
        await environment.functions
          .extend(message, 1)
          .catch((error: unknown) => environment.log("warning", String(error)));
    }
  }
}

async function sweepLoop(
  environment: TriggerEnvironment,
  signal: AbortSignal,
  sweepMs: number,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await sweep(environment);
    } catch (error) {
      environment.log("error", `sweep failed: ${String(error)}`, { error });
    }
    await sleep(sweepMs, undefined, { signal }).catch(() => {});
  }
}
