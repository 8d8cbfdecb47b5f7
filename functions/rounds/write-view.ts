/**
 * The picture of a run as an object, for readers without a coordinator. Not a fact: replaced in place, and at most
 * once in ten seconds, because every write costs.
 *
 * @module
 */
import { keys } from "../../schemas/index.ts";
import type { RunContext } from "./run-context.ts";
import { readStatus } from "./status.ts";

const INTERVAL_MS = 10_000;

export async function writeStatusView(context: RunContext, openRound: number): Promise<void> {
  const key = keys.statusView(context.run);
  const current = await context.store.head(key);
  if (current !== null && (await context.store.now()) - current.lastModifiedMs < INTERVAL_MS) return;
  const status = await readStatus(context, openRound);
  // Whoever loses this race was a moment later than somebody with the same picture.
  await context.store.compareAndSwap(
    key,
    new TextEncoder().encode(JSON.stringify(status)),
    current?.etag ?? null,
  );
}
