/**
 * A thread that lives through every so many-th seed and posts how each went.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import type { FaultKind } from "./faults.ts";
import { simulateSeed } from "./seed.ts";

export interface SeedWork {
  first: number;
  last: number;
  step: number;
  kinds: readonly FaultKind[];
}

const { first, last, step, kinds } = workerData as SeedWork;
for (let seed = first; seed <= last; seed += step) {
  const { timeline: _, ...result } = await simulateSeed(seed, { kinds });
  parentPort?.postMessage(result);
}
