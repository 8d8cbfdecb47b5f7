/**
 * What the contract suites share: how a property is registered, and how time passes, so that adapters on an injected
 * clock do not sleep and real services may.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, type TestContext, test } from "vitest";
import type { Timer } from "./waiting.ts";

/** A property that a server cannot hold, by the property's name, and why. */
export type Exceptions = Readonly<Record<string, string>>;

/** What the matrix of properties and adapters is made from. */
export interface ContractMeta {
  contract: string;
  adapter: string;
  /** Why this adapter is let off. */
  exception?: string;
  /** Status of each attempt that was refused, by what was attempted. */
  statuses?: Record<string, number>;
}

declare module "vitest" {
  interface TaskMeta {
    contract?: ContractMeta;
  }
}

/** How a suite runs on one adapter. */
export interface ContractOptions {
  exceptions?: Exceptions;
  /** All at the same time: for real services, whose time is ours. */
  concurrent?: boolean;
}

/** Registers a test of the contract. */
export type Property = (name: string, run: (context: TestContext) => Promise<void>) => void;

/**
 * Registers a contract's properties for one adapter. One that is excepted runs all the same and must fail: the day the
 * server holds it, the exception has to go. An exception that names no property is an error.
 */
export function registerProperties(
  contract: string,
  adapter: string,
  { exceptions = {}, concurrent = false }: ContractOptions,
  register: (property: Property) => void,
): void {
  const names = new Set<string>();
  register((name, run) => {
    const exception = exceptions[name];
    names.add(name);
    const meta = { contract: { contract, adapter, ...(exception === undefined ? {} : { exception }) } };
    test(name, { meta, concurrent, fails: exception !== undefined }, run);
  });
  // Groups within the suite register theirs later.
  afterAll(() => {
    const unknown = Object.keys(exceptions).filter((name) => !names.has(name));
    if (unknown.length > 0) throw new Error(`no property of the ${contract} contract: ${unknown.join("; ")}`);
  });
}

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
