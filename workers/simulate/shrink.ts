/**
 * Fewer faults, the same violation: what a failing seed really needs to fail.
 *
 * @module
 */
import { type FaultKind, faultKinds } from "./faults.ts";
import { type SeedOptions, type SeedResult, simulateSeed } from "./seed.ts";

export interface Shrunk {
  kinds: FaultKind[];
  result: SeedResult;
}

/**
 * Leaves out one kind of fault after the other, as long as the same invariant is violated, until each is needed. Null: the
 * seed violates nothing when it is lived through again, or `signal` ended it.
 */
export async function shrink(
  seed: number,
  options: SeedOptions = {},
  signal?: AbortSignal,
): Promise<Shrunk | null> {
  const { kinds = faultKinds } = options;
  const first = await simulateSeed(seed, options);
  const wanted = first.violations[0]?.invariant;
  if (wanted === undefined) return null;
  // What never struck is not needed.
  let shrunk: Shrunk = { kinds: kinds.filter((kind) => first.faults[kind] > 0), result: first };
  for (let before = -1; shrunk.kinds.length !== before; ) {
    before = shrunk.kinds.length;
    for (const kind of [...shrunk.kinds]) {
      if (signal?.aborted === true) return null;
      const fewer = shrunk.kinds.filter((other) => other !== kind);
      const result = await simulateSeed(seed, { ...options, kinds: fewer });
      if (result.violations.some(({ invariant }) => invariant === wanted)) shrunk = { kinds: fewer, result };
    }
  }
  return shrunk;
}
