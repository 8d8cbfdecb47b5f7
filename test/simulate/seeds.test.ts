/**
 * Three hundred worlds in which everything goes wrong that can.
 */
import { expect, it } from "vitest";
import { faultKinds } from "../../workers/simulate/faults.ts";
import { simulatedConfig } from "../../workers/simulate/run.ts";
import { simulateSeed } from "../../workers/simulate/seed.ts";
import { simulateSeeds } from "../../workers/simulate/seeds.ts";

const SEEDS = 300;
const LIVED_TWICE = 20;

it(`nothing gets stuck and nothing gets lost in ${SEEDS} seeds, and the same seed is the same world`, async () => {
  const fingerprints = new Map<number, string>();
  const { violations, faults, seeds, published, emptyRounds, voidRounds, sweeps } = await simulateSeeds({
    from: 1,
    seeds: SEEDS,
    onSeed: ({ seed, fingerprint }) => fingerprints.set(seed, fingerprint),
  });
  expect(violations).toEqual([]);
  expect(seeds).toBe(SEEDS);
  // Otherwise this test says little: every fault struck, rounds ended in all ways, and bounds were proved of something.
  for (const kind of faultKinds) expect(faults[kind], kind).toBeGreaterThan(0);
  expect(published).toBeGreaterThan(SEEDS);
  expect(Math.min(emptyRounds, voidRounds)).toBeGreaterThan(0);
  expect(sweeps.sound).toBeGreaterThan(4 * SEEDS);
  expect(sweeps.ready).toBeGreaterThan(SEEDS / 3);

  for (let seed = 1; seed <= LIVED_TWICE; seed++)
    expect((await simulateSeed(seed)).fingerprint, `seed ${seed}`).toBe(fingerprints.get(seed));
});

it("without faults every round is published", async () => {
  const quiet = await simulateSeed(7, { kinds: [] });
  expect(quiet.outcomes).toEqual({ applied: simulatedConfig.rounds, empty: 0, void: 0 });
  expect(quiet.violations).toEqual([]);
});
