import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isTie, lossScore, neededScore, usualScore } from "./loss-score.ts";
import { finiteFigure, lossCount, packLosses, unpackLosses } from "./losses.ts";

describe("the LossScore", () => {
  it("is the mean improvement over the same sequences, with its standard error", () => {
    const { score, standardError } = lossScore([1, 0.5, 1, 0.5]);
    expect(score).toBe(0.75);
    expect(standardError).toBeCloseTo(Math.sqrt(0.0625 / 3) / Math.sqrt(1), 12);
  });

  it.each([
    ["zeros", [0, 0], false, false],
    ["clear gains", [0.1, 0.12, 0.11, 0.09], true, true],
    ["gains that may be chance", [0.1, -0.09, 0.1, -0.05], false, true],
    ["equal gains", [1e-6, 1e-6], true, true],
    ["harm", [-0.1, -0.1], false, false],
    ["what is not a number", [Number.NaN, 1], false, false],
  ])("of %s: %j helps, on probation %s, established %s", (_, gains, probation, established) => {
    const { score, standardError } = lossScore(gains);
    expect(score > neededScore(standardError, "probation", 0)).toBe(probation);
    expect(score > neededScore(standardError, "established", 1)).toBe(established);
  });

  it("of a key on probation must be a tenth of what is usual, too", () => {
    expect(neededScore(0.001, "probation", 0.1)).toBeCloseTo(0.01, 12);
    expect(neededScore(0.01, "probation", 0.1)).toBe(0.02);
  });

  const of = (standing: "probation" | "established", ...scores: number[]) =>
    scores.map((score) => ({ score, standing }));

  it("is usual by established peers, and before there are three by who helps most, however many help a little", () => {
    expect(usualScore(of("established", 0.3, 0.1, 0.2, -1))).toBe(0.1);
    expect(usualScore([...of("established", 0.3, 0.2, 0.1), ...of("probation", 9, 9, 9, 9)])).toBe(0.2);
    expect(usualScore(of("probation", 0.3, 0.2, 0.2, ...new Array(20).fill(0.001)))).toBe(0.2);
    expect(usualScore([...of("established", 0.3), ...of("probation", Number.NEGATIVE_INFINITY, -1)])).toBe(
      0.3,
    );
    expect(usualScore(of("established", -1, -2, -3))).toBe(0);
    expect(usualScore([])).toBe(0);
  });

  it.each([
    ["a gain that is not a number", [1, Number.NaN]],
    ["an endless loss", [1, Number.NEGATIVE_INFINITY]],
    ["a loss of minus infinity, which would be the best of all", [1, Number.POSITIVE_INFINITY]],
    ["no gains", []],
  ])("of %s is as bad as can be", (_, gains) => {
    expect(lossScore(gains).score).toBe(Number.NEGATIVE_INFINITY);
  });

  it("ties two updates within two standard errors of each other", () => {
    expect(isTie([1, 2, 3, 4], [1, 2, 3, 4])).toBe(true);
    expect(isTie([1, 2, 3, 4], [1.1, 1.9, 3.1, 3.9])).toBe(true);
    expect(isTie([1, 2, 3, 4], [2, 3, 4, 5])).toBe(false);
    expect(isTie([1, 2], [Number.NaN, 2])).toBe(false);
  });
});

describe("packed losses", () => {
  it("come back to the bit", () => {
    fc.assert(
      fc.property(fc.array(fc.float(), { maxLength: 20 }), (losses) => {
        expect(unpackLosses(packLosses(losses))).toEqual(losses);
        expect(lossCount(packLosses(losses))).toBe(losses.length);
      }),
      { numRuns: 100, seed: 1 },
    );
  });

  it("are shown as finite figures: JSON has no others", () => {
    expect([Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, 1].map(finiteFigure)).toEqual([
      -Number.MAX_VALUE,
      -Number.MAX_VALUE,
      Number.MAX_VALUE,
      1,
    ]);
  });
});
