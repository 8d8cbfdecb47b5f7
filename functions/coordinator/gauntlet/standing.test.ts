import { describe, expect, it } from "vitest";
import { establishedEntry, ledgerEntry, peerId } from "../testing/facts.ts";
import { isEstablished, standingOf } from "./standing.ts";

describe("standing", () => {
  it.each([
    [9, 0.9, "probation"],
    [10, 0.49, "probation"],
    [10, 0.5, "established"],
  ])(
    "after it helped in %d rounds at an assignment score of %d is %s",
    (helpedRounds, assignmentScore, standing) => {
      expect(standingOf({ helpedRounds, assignmentScore })).toBe(standing);
    },
  );

  it("of somebody nobody knows is probation", () => {
    expect(isEstablished(undefined)).toBe(false);
    expect(isEstablished(ledgerEntry(peerId(1)))).toBe(false);
    expect(isEstablished(establishedEntry(peerId(1)))).toBe(true);
  });
});
