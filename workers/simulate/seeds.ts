/**
 * Many seeds, on all cores.
 *
 * @module
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { type FaultCounts, type FaultKind, faultKinds, noFaults } from "./faults.ts";
import type { Violation } from "./invariants.ts";
import type { SeedResult } from "./seed.ts";
import type { SeedWork } from "./seed-worker.ts";

/** What came of many seeds. */
export interface SeedsSummary {
  seeds: number;
  violations: (Violation & { seed: number })[];
  faults: FaultCounts;
  rounds: number;
  published: number;
  emptyRounds: number;
  voidRounds: number;
  sweeps: SeedResult["sweeps"];
  wallSeconds: number;
}

export type SeedOutcome = Omit<SeedResult, "timeline">;

export interface SeedsOptions {
  from: number;
  seeds: number;
  kinds?: readonly FaultKind[];
  threads?: number;
  onSeed?: (outcome: SeedOutcome, done: number) => void;
  signal?: AbortSignal;
}

/** Lives through seeds `from` to `from + seeds - 1`; fewer, if `signal` says so. */
export async function simulateSeeds(options: SeedsOptions): Promise<SeedsSummary> {
  const { from, seeds, kinds = faultKinds, onSeed, signal } = options;
  const threads = Math.min(seeds, options.threads ?? availableParallelism());
  const startedMs = performance.now();
  const summary = {
    seeds: 0,
    violations: [] as SeedsSummary["violations"],
    faults: noFaults(),
    rounds: 0,
    published: 0,
    emptyRounds: 0,
    voidRounds: 0,
    sweeps: { sound: 0, ready: 0 },
  };
  const add = (outcome: SeedOutcome) => {
    summary.seeds += 1;
    summary.rounds += outcome.rounds;
    summary.published += outcome.outcomes.applied;
    summary.emptyRounds += outcome.outcomes.empty;
    summary.voidRounds += outcome.outcomes.void;
    summary.sweeps.sound += outcome.sweeps.sound;
    summary.sweeps.ready += outcome.sweeps.ready;
    summary.violations.push(...outcome.violations.map((violation) => ({ seed: outcome.seed, ...violation })));
    for (const kind of faultKinds) summary.faults[kind] += outcome.faults[kind];
    onSeed?.(outcome, summary.seeds);
  };
  const last = from + seeds - 1;
  await Promise.all(
    Array.from({ length: threads }, (_, i) =>
      work({ first: from + i, last, step: threads, kinds }, add, signal),
    ),
  );
  if (summary.seeds !== seeds && signal?.aborted !== true)
    throw new Error(`only ${summary.seeds} of ${seeds} seeds were lived through`);
  summary.violations.sort((a, b) => a.seed - b.seed);
  return { ...summary, wallSeconds: (performance.now() - startedMs) / 1_000 };
}

function work(
  workerData: SeedWork,
  onSeed: (outcome: SeedOutcome) => void,
  signal?: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./seed-worker.ts", import.meta.url), { workerData });
    const stop = () => void worker.terminate();
    signal?.addEventListener("abort", stop, { once: true });
    worker.on("message", onSeed);
    worker.once("error", reject);
    worker.once("exit", (code) => {
      signal?.removeEventListener("abort", stop);
      if (code === 0 || signal?.aborted === true) resolve();
      else reject(new Error(`the thread of seeds from ${workerData.first} on ended with ${code}`));
    });
  });
}
