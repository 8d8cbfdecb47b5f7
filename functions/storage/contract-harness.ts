/**
 * What the contract suites need of time, so that adapters on an injected clock do not sleep and real services may.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Timer } from "./waiting.ts";

/** Lets at least so much time pass on the clock of the adapter under test. */
export type PassTime = (ms: number) => Promise<void>;

/** For real services: their time is ours. */
export const passRealTime: PassTime = async (ms) => void (await sleep(ms));

/** Repeats a check, a tenth of a second of the adapter's time apart, until it holds; 60 s are more than any service needs. */
export async function waitUntil(
  passTime: PassTime,
  what: string,
  check: () => Promise<boolean>,
): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    if (await check()) return;
    await passTime(100);
  }
  throw new Error(`waited in vain until ${what}`);
}

/** Awaits something that ends only when the adapter's time passes. */
export async function whileTimePasses<T>(passTime: PassTime, pending: Promise<T>): Promise<T> {
  let settled = false;
  const watched = pending.finally(() => {
    settled = true;
  });
  watched.catch(() => {});
  await waitUntil(passTime, "the operation ended", async () => settled);
  return watched;
}

/** A clock that stands still until a test moves it. */
export interface ManualClock {
  now: () => number;
  timer: Timer;
  passTime: PassTime;
}

/** A manual clock, at a moment that is no whole second: who rounds must show it. */
export function createManualClock(startMs = Date.parse("2026-01-31T12:00:00.750Z")): ManualClock {
  let nowMs = startMs;
  const due = new Set<{ atMs: number; callback: () => void }>();
  return {
    now: () => nowMs,
    timer(ms, callback) {
      const entry = { atMs: nowMs + ms, callback };
      due.add(entry);
      return () => void due.delete(entry);
    },
    async passTime(ms) {
      nowMs += ms;
      for (const entry of [...due]) {
        if (entry.atMs > nowMs || !due.delete(entry)) continue;
        entry.callback();
      }
      // Whoever was woken may have files to read before it sets its next timer.
      await sleep(1);
    },
  };
}
