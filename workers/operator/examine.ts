/**
 * Every check, asked in order. It uses the product's own adapters, so that it examines what a run would meet, and removes
 * what it wrote.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { listAll } from "../../functions/storage/object-store.ts";
import { createS3ObjectStore } from "../../functions/storage/s3.ts";
import { accessChecks, BUCKET, privacyChecks } from "./checks/access-checks.ts";
import { type Check, ok, type Result, runCheck } from "./checks/check.ts";
import { clockCheck, latencyCheck } from "./checks/clock-checks.ts";
import { type DoctorContext, scratch } from "./checks/context.ts";
import { coordinatorChecks } from "./checks/coordinator-checks.ts";
import { eventCheck } from "./checks/event-check.ts";
import { lifecycleCheck, queueChecks } from "./checks/setting-checks.ts";
import { ticketChecks } from "./checks/ticket-checks.ts";
import { writeChecks } from "./checks/write-checks.ts";
import { identifyServer } from "./server-kind.ts";
import { openServices } from "./services.ts";
import type { StorageOptions } from "./storage-options.ts";

/** How long an event may take: S3 says seconds, sometimes a minute. */
const EVENT_SECONDS = 15;

const storageChecks: readonly Check[] = [
  ...accessChecks,
  clockCheck,
  ...writeChecks,
  ...ticketChecks,
  ...privacyChecks,
  lifecycleCheck,
  ...queueChecks,
  eventCheck,
  latencyCheck,
];

/** The longest name of a check: how wide a table of them is. */
export const longestName = Math.max(
  ...[...storageChecks, ...coordinatorChecks].map(({ name }) => name.length),
);

/** Last, and also after Ctrl-C: what is left would lie in the bucket for two weeks, or for ever. */
const cleanUp: Check = {
  name: "cleaned up",
  service: "store",
  needs: [BUCKET],
  run: async (context) => {
    let count = 0;
    for (const prefix of Object.values(scratch(context))) {
      for await (const { key } of listAll(context.store, prefix)) {
        await context.store.delete(key);
        count++;
      }
    }
    return ok(`${count} objects of this examination removed`);
  },
};

export interface ExamineOptions {
  /** All that apply, unless given. Those that others need must be among them, and before them. */
  checks?: readonly Check[];
  coordinator?: string | undefined;
  eventSeconds?: number;
  /** How long a service that does not answer is asked again. */
  retrySeconds?: number;
  /** This machine's clock. */
  now?: () => number;
  onResult?: (result: Result) => void;
}

/** Asks every question; `onResult` gets each answer when it is there. */
export async function examine(
  storage: StorageOptions,
  signal: AbortSignal,
  options: ExamineOptions = {},
): Promise<Result[]> {
  const { coordinator, eventSeconds = EVENT_SECONDS, now = Date.now, onResult } = options;
  // Whether anybody answers is the first question; here it only says what to expect.
  const server = await identifyServer(storage).catch(() => "other" as const);
  const services = openServices(storage, server, options.retrySeconds);
  const { bucket, endpoint, region, profile } = storage;
  const context: DoctorContext = {
    ...services,
    storage,
    store: createS3ObjectStore({ bucket, region, profile, ...(endpoint === undefined ? {} : { endpoint }) }),
    id: randomBytes(6).toString("hex"),
    coordinator,
    now,
    eventSeconds,
    signal,
  };
  const results = new Map<string, Result>();
  const ask = async (check: Check) => {
    const result = await runCheck(check, context, results);
    results.set(check.name, result);
    onResult?.(result);
  };
  try {
    for (const check of options.checks ?? checksFor(coordinator)) {
      signal.throwIfAborted();
      await ask(check);
    }
  } finally {
    if (results.has(BUCKET)) await ask(cleanUp);
    services.close();
  }
  return [...results.values()];
}

/** Of storage alone, or of a coordinator, too. */
function checksFor(coordinator: string | undefined): readonly Check[] {
  return coordinator === undefined ? storageChecks : [...storageChecks, ...coordinatorChecks];
}
