/**
 * Runs the functions in this process: the same handlers that Lambda would call, fed from the queues, with a quick
 * sweep in place of the one-minute timer.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { keepLease } from "../../functions/storage/heartbeat.ts";
import type { EventedObjectStore } from "../../functions/storage/object-store.ts";
import type { Message, Queue } from "../../functions/storage/queue.ts";
import { dispatch } from "../../functions/triggers/dispatch.ts";
import type { TriggerEnvironment } from "../../functions/triggers/environment.ts";
import { settleFailures } from "../../functions/triggers/failures.ts";
import { sweep } from "../../functions/triggers/sweep.ts";
import { type FunctionMessage, parseUploadKey } from "../../schemas/index.ts";

const LEASE_SECONDS = 60;
const BATCH = 10;
/** How long a failed message stays away. */
const AGAIN_SECONDS = 1;
/** How long to leave a queue alone that cannot be read. */
const QUEUE_AWAY_MS = 1_000;

export interface RunnerOptions {
  environment: TriggerEnvironment;
  signal: AbortSignal;
  sweepMs: number;
  /** Tells of created objects; undefined where the store sends messages to the queue by itself. */
  onCreated: EventedObjectStore["onCreated"] | undefined;
  /** Asked for each creation event: true loses it. For tests of the sweep. */
  loseEvent?: ((key: string) => boolean) | undefined;
}

/** Works until `signal`; returns when all loops have ended. */
export async function runFunctions(options: RunnerOptions): Promise<void> {
  const { environment, signal, sweepMs } = options;
  const unsubscribe = options.onCreated?.("uploads/", ({ key }) => {
    if (parseUploadKey(key) === null || options.loseEvent?.(key) === true) return;
    const message: FunctionMessage = { type: "created", key };
    environment.shards.send(JSON.stringify(message)).catch((error: unknown) => {
      environment.log("warning", `event of ${key} lost: ${String(error)}`);
    });
  });
  try {
    await Promise.all([
      consume(environment, environment.ticks, signal),
      consume(environment, environment.shards, signal),
      sweepLoop(environment, signal, sweepMs),
    ]);
  } finally {
    unsubscribe?.();
  }
}

/** A queue that is away is no reason to end: it may come back, and meanwhile the sweep goes on. */
async function consume(environment: TriggerEnvironment, queue: Queue, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const messages = await queue.receive({ max: BATCH, leaseSeconds: LEASE_SECONDS, waitSeconds: 1 });
      if (messages.length > 0) await handle(environment, queue, messages);
    } catch (error) {
      environment.log("warning", `a queue cannot be used: ${String(error)}`, { error });
      await sleep(QUEUE_AWAY_MS, undefined, { signal }).catch(() => {});
    }
  }
}

async function handle(environment: TriggerEnvironment, queue: Queue, messages: Message[]): Promise<void> {
  const work = dispatch(environment, messages);
  await Promise.all(messages.map((message) => keepLease(queue, message, LEASE_SECONDS, () => work)));
  const failures = await work;
  const failed = new Set(failures.map(({ message }) => message));
  await Promise.all(messages.filter((message) => !failed.has(message)).map((message) => queue.ack(message)));
  for (const message of await settleFailures(queue, failures, environment.log)) {
    // A lease that is gone has given the message back already.
    await queue
      .extend(message, AGAIN_SECONDS)
      .catch((error: unknown) => environment.log("warning", String(error)));
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
