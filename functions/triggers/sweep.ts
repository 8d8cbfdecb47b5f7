/**
 * The sweep: finds what no event announced. It ticks every active run, asks again for what the phase waits for, looks
 * for uploads whose event was lost, and mends what a crash left behind.
 *
 * @module
 */
import {
  keys,
  OuterloopError,
  parseSubmissionKey,
  parseUploadKey,
  prefixes,
  toMilliseconds,
} from "../../schemas/index.ts";
import type { Nudge } from "../coordinator/decision.ts";
import { readManifest } from "../rounds/history.ts";
import type { RunContext } from "../rounds/run-context.ts";
import { missingWork } from "../rounds/upkeep.ts";
import { writeStatusView } from "../rounds/write-view.ts";
import { listAll } from "../storage/object-store.ts";
import type { TriggerEnvironment } from "./environment.ts";
import { tick } from "./tick.ts";

/** How long after its last round a run is looked after for the sake of its held-out losses alone. */
const HELD_OUT_PATIENCE_MS = 24 * 3_600_000;

/** Typed error `sweep-failed`, after all runs were looked after: some could not be. Why stands in the log. */
export async function sweep(environment: TriggerEnvironment): Promise<void> {
  const failed: string[] = [];
  for await (const { key } of listAll(environment.store, prefixes.active())) {
    const run = key.slice(prefixes.active().length);
    try {
      await sweepRun(environment, run);
    } catch (error) {
      // One run that cannot be looked after must not keep the others from it.
      environment.log("error", `sweep of ${run} failed: ${String(error)}`, { error });
      failed.push(run);
    }
  }
  // Where functions are counted by how they end, a failure that was only logged would never be noticed.
  if (failed.length > 0)
    throw new OuterloopError("sweep-failed", `could not look after ${failed.join(", ")}`);
}

async function sweepRun(environment: TriggerEnvironment, run: string): Promise<void> {
  const { nudger, store } = environment;
  const context = await environment.run(run);
  const { facts, asOfMs } = await tick(environment, run, true);
  if (facts.phase === "train") await nudger.send(await uncheckedUploads(context, facts.round));
  const missing = await missingWork(context, facts.round);
  await nudger.send(missing);
  await writeStatusView(context, facts.round);
  if (facts.phase === "finished" && (await isOver(context, facts.round - 1, missing, asOfMs)))
    await store.delete(keys.active(run));
}

/**
 * The last state and the last held-out loss stand: nothing will ever be missing again. Or nobody has scored what is left for
 * a day: evaluators that never come back must not keep a run under watch for ever.
 */
async function isOver(
  context: RunContext,
  last: number,
  missing: readonly Nudge[],
  asOfMs: number,
): Promise<boolean> {
  if (missing.length === 0) return true;
  if (missing.some(({ message }) => message.type !== "held-out")) return false;
  const manifest = await readManifest(context, last);
  return manifest !== null && asOfMs - toMilliseconds(manifest.body.asOf) > HELD_OUT_PATIENCE_MS;
}

/** Uploads of peers that have no submission yet: their events may have been lost. */
async function uncheckedUploads(context: RunContext, round: number): Promise<Nudge[]> {
  const submitted = new Set<string>();
  for await (const { key } of listAll(context.store, prefixes.sealed(context.run, round))) {
    const parsed = parseSubmissionKey(key);
    if (parsed?.part === "submission") submitted.add(parsed.peer);
  }
  const nudges: Nudge[] = [];
  for await (const { key } of listAll(context.store, prefixes.uploads(context.run, round))) {
    const upload = parseUploadKey(key);
    if (upload === null || submitted.has(upload.peer)) continue;
    nudges.push({ queue: "shards", message: { type: "created", key } });
  }
  return nudges;
}
