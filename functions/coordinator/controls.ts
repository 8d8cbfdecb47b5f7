/**
 * What the operator has said so far, and what follows from it for a round.
 *
 * @module
 */
import { type Control, type Genesis, hashOf, type KeySet, type RunConfig } from "../../schemas/index.ts";

/**
 * The parts of a configuration that a run cannot change: what states, payloads and ratings mean, and what is built
 * into the trainers' graphs.
 */
function fixedParts({ model, inner, outer, gauntlet, stateEveryRounds }: RunConfig): string {
  const { optimiser, batchSize } = inner;
  return hashOf({
    model,
    optimiser,
    batchSize,
    chunksPerShard: outer.chunksPerShard,
    rating: gauntlet.rating,
    stateEveryRounds,
  });
}

/** Configurations announced so far, in order. One that changes a fixed part is no configuration of this run. */
function announcedConfigs(genesis: Genesis, controls: readonly Control[]): RunConfig[] {
  const fixed = fixedParts(genesis.config);
  return controls.flatMap(({ action }) =>
    action.kind === "config" && fixedParts(action.config) === fixed ? [action.config] : [],
  );
}

/** The configuration a roster that is made now runs under: the last one announced, else the genesis's. */
export function latestConfig(
  genesis: Genesis,
  controls: readonly Control[],
): { config: RunConfig; hash: string } {
  const config = announcedConfigs(genesis, controls).at(-1) ?? genesis.config;
  return { config, hash: hashOf(config) };
}

/** The configuration with this hash: what a roster pinned. Null: nobody ever announced it. */
export function configByHash(genesis: Genesis, controls: readonly Control[], hash: string): RunConfig | null {
  const all = [genesis.config, ...announcedConfigs(genesis, controls)];
  return all.find((config) => hashOf(config) === hash) ?? null;
}

/** The keys that act in a round. */
export function keysInRound(genesis: Genesis, controls: readonly Control[], round: number): KeySet {
  const announced = controls.flatMap(({ action }) =>
    action.kind === "keys" && action.effectiveFromRound <= round ? [action.keys] : [],
  );
  return announced.at(-1) ?? genesis.keys;
}

/** The operator's reason while the run is paused, else null. */
export function pausedBecause(controls: readonly Control[]): string | null {
  const last = controls.findLast(({ action }) => action.kind === "pause" || action.kind === "resume");
  return last?.action.kind === "pause" ? last.action.reason : null;
}

/** True when the operator aborted this round. */
export function isAborted(controls: readonly Control[], round: number): boolean {
  return controls.some(({ action }) => action.kind === "abort" && action.round === round);
}

/** A control and when the store received it: the operator's own clock decides nothing. */
export type StoredControl = Control & { storedAtMs: number };

/** True when a resume arrived after the given time (milliseconds since 1970, by the store's clock). */
export function resumedSince(controls: readonly StoredControl[], sinceMs: number): boolean {
  // Arrival is known in whole seconds, rounded down.
  const since = Math.floor(sinceMs / 1_000) * 1_000;
  return controls.some(({ action, storedAtMs }) => action.kind === "resume" && storedAtMs >= since);
}
