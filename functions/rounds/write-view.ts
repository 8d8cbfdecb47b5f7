/**
 * The picture of a run as an object, for readers without a coordinator. Not a fact: replaced in place, and at most
 * once in ten seconds, because every write costs.
 *
 * @module
 */
import { keys, runStatus } from "../../schemas/index.ts";
import type { RunContext } from "./run-context.ts";
import { isSettled, readStatus } from "./status.ts";

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

/**
 * Takes over from the last picture the rounds to which nothing is added any more, so that a process that has just begun
 * need not read every round of a long run to draw the next one. No picture, or one of another version: it reads them.
 */
export async function recallHistory(context: RunContext): Promise<void> {
  const object = await context.store.get(keys.statusView(context.run));
  const picture = object === null ? null : parsePicture(object.bytes);
  const history = picture?.history ?? [];
  const open = history.findIndex(
    (summary, i) => summary.round !== i + 1 || !isSettled(context, summary, history.length),
  );
  context.complete.splice(0, context.complete.length, ...history.slice(0, open < 0 ? history.length : open));
}

function parsePicture(bytes: Uint8Array) {
  try {
    return runStatus.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data ?? null;
  } catch {
    return null;
  }
}
