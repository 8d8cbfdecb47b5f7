import { describe, expect, it } from "vitest";
import { peerScore, type ScoreInputs, scoreFactors } from "./peer-score.ts";

const inputs: ScoreInputs = {
  assignmentScore: 0.5,
  countedRounds: 10,
  ordinal: 3,
  highestRating: Number.POSITIVE_INFINITY,
  deliveredRounds: 8,
  possibleRounds: 8,
  faults: 0,
};
const score = (changes: Partial<ScoreInputs>) => peerScore(scoreFactors({ ...inputs, ...changes }));

describe("the PeerScore", () => {
  it("is the product of its factors", () => {
    expect(score({})).toBeCloseTo(0.5 * Math.log1p(Math.exp(3)), 12);
    expect(score({ deliveredRounds: 4 })).toBeCloseTo(score({}) / 2, 12);
    expect(score({ faults: 2 })).toBeCloseTo(score({}) * 0.75 ** 2, 12);
  });

  it.each([
    [9, -1, 1],
    [10, -1, 0],
    [10, 0.3, 0.3],
  ])(
    "after %d counted rounds an assignment score of %d counts as %d",
    (countedRounds, assignmentScore, factor) => {
      expect(scoreFactors({ ...inputs, countedRounds, assignmentScore }).assignment).toBe(factor);
    },
  );

  it.each([-1_000, -5, 0, 5, 1_000])("is finite and not negative for an ordinal of %d", (ordinal) => {
    const value = score({ ordinal });
    expect(Number.isFinite(value) && value >= 0).toBe(true);
  });

  it("of whoever stands above the middle is that of the middle", () => {
    expect(score({ highestRating: 1 })).toBeCloseTo(0.5, 12);
    expect(score({ highestRating: 100 })).toBe(score({}));
  });

  it("counts a newcomer's first round as full presence", () => {
    expect(scoreFactors({ ...inputs, deliveredRounds: 0, possibleRounds: 0 }).presence).toBe(1);
    expect(scoreFactors({ ...inputs, deliveredRounds: 1, possibleRounds: 1 }).presence).toBe(1);
  });
});
