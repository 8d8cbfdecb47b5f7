/**
 * When each phase ends regardless. Every deadline counts from the decision before it, on the store's clock.
 *
 * @module
 */
import { type Instant, type RunConfig, toInstant, toMilliseconds } from "../../schemas/index.ts";
import type { RoundFacts } from "./facts.ts";

/** A deadline has passed only this long after it: clocks of the store's own machines may differ a little. */
export const DEADLINE_MARGIN_MS = 2_000;

/** True once nobody can be in time any more. */
export function hasPassed(deadlineMs: number, asOfMs: number): boolean {
  return asOfMs >= deadlineMs + DEADLINE_MARGIN_MS;
}

/** `LastModified` comes in whole seconds, rounded down: at or before the deadline is in time. */
export function isInTime(lastModifiedMs: number, deadline: Instant): boolean {
  return lastModifiedMs <= toMilliseconds(deadline);
}

/** The deadlines a roster announces. */
export function rosterDeadlines(
  config: RunConfig,
  asOfMs: number,
): { commitBy: Instant; uploadBy: Instant; uploadedBy: Instant } {
  const { trainSeconds, uploadSeconds, graceSeconds } = config.windows;
  const commitBy = asOfMs + 1_000 * trainSeconds;
  const uploadBy = commitBy + 1_000 * uploadSeconds;
  return {
    commitBy: toInstant(commitBy),
    uploadBy: toInstant(uploadBy),
    uploadedBy: toInstant(uploadBy + 1_000 * graceSeconds),
  };
}

/** `from` plus a window of the configuration, in milliseconds. */
export function deadlineAfter(from: Instant, windowSeconds: number): number {
  return toMilliseconds(from) + 1_000 * windowSeconds;
}

/** When the open phase began: with the decision before it. Gathering begins with the run or the last manifest: 0 here. */
export function phaseBeganMs(facts: RoundFacts): number {
  switch (facts.phase) {
    case "finished":
    case "gather":
      return 0;
    case "train":
      return toMilliseconds(facts.roster.body.asOf);
    case "settle":
      return toMilliseconds(facts.cutoff.body.asOf);
    case "evaluate":
      return toMilliseconds(facts.close.body.asOf);
    case "aggregate":
      return toMilliseconds(facts.selection.body.asOf);
  }
}
