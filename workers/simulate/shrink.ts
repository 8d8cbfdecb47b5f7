/**
 * Fewer faults, the same violation: what a failing seed really needs to fail.
 *
 * @module
 */
import { type FaultKind, faultKinds } from "./faults.ts";
import type { PreparedRun } from "./run.ts";
import { type SeedResult, simulateSeed } from "./seed.ts";

export interface Shrunk {
  kinds: FaultKind[];
  result: SeedResult;
}

/** Leaves out one kind of fault after the other for as long as the same invariant is violated. */
export async function shrink(
  prepared: PreparedRun,
  seed: number,
  kinds: readonly FaultKind[] = faultKinds,
): Promise<Shrunk> {
  const first = await simulateSeed(prepared, seed, { kinds });
  const wanted = first.violations[0]?.invariant;
  // What never struck is not needed.
  let shrunk: Shrunk = { kinds: kinds.filter((kind) => (first.faults[kind] ?? 0) > 0), result: first };
  for (const kind of [...shrunk.kinds]) {
    const fewer = shrunk.kinds.filter((other) => other !== kind);
    const result = await simulateSeed(prepared, seed, { kinds: fewer });
    if (result.violations.some(({ invariant }) => invariant === wanted)) shrunk = { kinds: fewer, result };
  }
  return shrunk;
}
