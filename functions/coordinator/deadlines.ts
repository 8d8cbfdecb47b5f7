/**
 * When each phase ends regardless. Every deadline counts from the decision before it, on the store's clock.
 *
 * @module
 */
import { type Instant, type RunConfig, toInstant, toMilliseconds } from "../../schemas/index.ts";

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
