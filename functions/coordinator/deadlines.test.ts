import { describe, expect, it } from "vitest";
import { toInstant } from "../../schemas/index.ts";
import { deadlineAfter, hasPassed, isInTime, rosterDeadlines } from "./deadlines.ts";
import { T0, testConfig } from "./testing/facts.ts";

describe("a deadline", () => {
  it.each([
    [-1, false],
    [0, false],
    [1_999, false],
    [2_000, true],
    [2_001, true],
  ])("has passed only two seconds after it: %d ms", (afterMs, passed) => {
    expect(hasPassed(T0, T0 + afterMs)).toBe(passed);
  });

  it.each([
    [-1_000, true],
    [0, true],
    [1_000, false],
  ])("is kept by what was stored at or before it: %d ms", (afterMs, inTime) => {
    expect(isInTime(T0 + afterMs, toInstant(T0))).toBe(inTime);
  });

  it("leaves nobody between: what can still be in time is never decided without", () => {
    // A store rounds down to whole seconds; the last object in time was stored less than a second after the deadline.
    for (let storedMs = T0; isInTime(Math.floor(storedMs / 1_000) * 1_000, toInstant(T0)); storedMs += 100)
      expect(hasPassed(T0, storedMs)).toBe(false);
  });

  it("of a roster counts from the deadline before it", () => {
    expect(rosterDeadlines(testConfig, T0)).toEqual({
      commitBy: toInstant(T0 + 30_000),
      uploadBy: toInstant(T0 + 35_000),
      uploadedBy: toInstant(T0 + 37_000),
    });
    expect(deadlineAfter(toInstant(T0), 1.5)).toBe(T0 + 1_500);
  });
});
