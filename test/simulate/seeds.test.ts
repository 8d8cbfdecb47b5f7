/**
 * Three hundred worlds in which everything goes wrong that can.
 */
import { expect, it } from "vitest";
import { faultKinds } from "../../workers/simulate/faults.ts";
import { prepareRun, simulatedConfig } from "../../workers/simulate/run.ts";
import { simulateSeed } from "../../workers/simulate/seed.ts";
import { simulateSeeds } from "../../workers/simulate/seeds.ts";

it("nothing gets stuck and nothing gets lost in 300 seeds", async () => {
  const { violations, faults, seeds, published, emptyRounds, voidRounds } = await simulateSeeds({
    from: 1,
    seeds: 300,
  });
  expect(violations).toEqual([]);
  expect(seeds).toBe(300);
  // Otherwise this test says little: every fault struck, and rounds ended in all ways.
  for (const kind of faultKinds) expect(faults[kind] ?? 0, kind).toBeGreaterThan(0);
  expect(published).toBeGreaterThan(300);
  expect(Math.min(emptyRounds, voidRounds)).toBeGreaterThan(0);
});

it("the same seed is the same world, and without faults every round is published", async () => {
  const prepared = await prepareRun(simulatedConfig);
  const [one, other] = [await simulateSeed(prepared, 7), await simulateSeed(prepared, 7)];
  expect(one.timeline.lines()).toEqual(other.timeline.lines());
  const quiet = await simulateSeed(prepared, 7, { kinds: [] });
  expect(quiet.outcomes).toEqual({ applied: simulatedConfig.rounds, empty: 0, void: 0 });
  expect(quiet.violations).toEqual([]);
});
