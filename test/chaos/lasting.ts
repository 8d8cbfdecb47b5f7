/**
 * How long a blow lasts: what hits nobody is no blow.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";

const LOOK_MS = 20;
const PATIENCE_SECONDS = 30;

/** Waits for some seconds, and on until somebody has been hit; false: nobody was, however long it lasted. */
export async function lasting(seconds: number, hasHit: () => boolean): Promise<boolean> {
  await sleep(1_000 * seconds);
  for (const until = performance.now() + 1_000 * PATIENCE_SECONDS; performance.now() < until; ) {
    if (hasHit()) return true;
    await sleep(LOOK_MS);
  }
  return false;
}
