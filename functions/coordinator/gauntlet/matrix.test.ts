import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assignmentScale, nextAssignmentScore, residuals } from "./matrix.ts";

/** M[p][q] = a_p + b_q, plus `own` on the diagonal. */
function additive(a: readonly number[], b: readonly number[], own: readonly number[]): number[][] {
  return a.map((good, p) => b.map((easy, q) => good + easy + (p === q ? (own[p] ?? 0) : 0)));
}

const everybody = (n: number) => new Array<boolean>(n).fill(true);
const same = (n: number, value: number) => new Array<number>(n).fill(value);
const zOf = (matrix: readonly (readonly number[])[], helps = everybody(matrix.length)) =>
  (residuals(matrix, helps) ?? []).map(({ z }) => z);

describe("the matrix residual", () => {
  it.each([4, 5, 8, 16])("is what training on one's own text adds, for %d equal owners", (n) => {
    for (const z of zOf(additive(same(n, 0.3), same(n, 0.1), same(n, 0.05)))) expect(z).toBeCloseTo(0.05, 12);
  });

  it("does not see that an update is good, nor that a batch is easy, up to what trimming costs", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 4, max: 12 }).chain((n) => {
          const figures = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
            minLength: n,
            maxLength: n,
          });
          return fc.tuple(figures, figures);
        }),
        ([a, b]) => {
          const spread = Math.max(...a) - Math.min(...a) + Math.max(...b) - Math.min(...b);
          for (const z of zOf(additive(a, b, same(a.length, 2))))
            expect(Math.abs(z - 2)).toBeLessThanOrEqual(0.75 * spread + 1e-12);
        },
      ),
      { numRuns: 100, seed: 1 },
    );
  });

  it("points at the one who did not train its own text", () => {
    const z = zOf(additive([0.1, 0.2, 0.3, 0.2, 0.1], [0.1, 0, 0.2, 0.1, 0], [0.5, 0.5, 0, 0.5, 0.5]));
    expect(z.indexOf(Math.min(...z))).toBe(2);
    expect(z[2]).toBeLessThan(0.15);
    expect(Math.min(...z.filter((_, p) => p !== 2))).toBeGreaterThan(0.3);
  });

  it("of a victim is hardly moved by a group mate that trains the victim's text", () => {
    const n = 8;
    const matrix = additive(same(n, 0.3), same(n, 0.1), same(n, 0.05));
    const framer = matrix[1];
    if (framer !== undefined) framer[0] = 1e6;
    expect(zOf(matrix)[0]).toBeCloseTo(0.05, 9);
  });

  it("is not steered by updates that harm: they make neither columns nor rest", () => {
    const matrix = additive(same(6, 0.3), same(6, 0.1), same(6, 0.05));
    const broken = matrix.map((row, p) => (p >= 4 ? row.map(() => Number.NEGATIVE_INFINITY) : row));
    const helps = [true, true, true, true, false, false];
    const z = zOf(broken, helps);
    for (const one of z.slice(0, 4)) expect(one).toBeCloseTo(0.05, 12);
    expect(z.slice(4)).toEqual([Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]);
  });

  it("says nothing about fewer than four owners", () => {
    expect(residuals(additive([1, 2, 3], [1, 2, 3], [1, 1, 1]), everybody(3))).toBeNull();
    expect(residuals([], [])).toBeNull();
  });
});

describe("the assignment score", () => {
  it("moves a tenth towards the clipped residual", () => {
    expect(nextAssignmentScore(0.5, 2, 4)).toBeCloseTo(0.5, 12);
    expect(nextAssignmentScore(0.5, 400, 4)).toBeCloseTo(0.55, 12);
    expect(nextAssignmentScore(0.5, -400, 4)).toBeCloseTo(0.35, 12);
    expect(nextAssignmentScore(0.5, Number.NEGATIVE_INFINITY, 4)).toBeCloseTo(0.35, 12);
  });

  it("takes the sign alone before there is a scale; nothing is no sign", () => {
    expect(nextAssignmentScore(0, 1e-9, null)).toBeCloseTo(0.1, 12);
    expect(nextAssignmentScore(0, -1e-9, null)).toBeCloseTo(-0.1, 12);
    expect(nextAssignmentScore(0, 0, null)).toBe(0);
  });

  const established = (zs: readonly number[]) => zs.map((z) => ({ z, lossScore: 0.1, established: true }));

  it("is scaled by those that help most while fewer than three are established", () => {
    const workers = [1, 2, 3].map((z) => ({ z, lossScore: 0.1, established: false }));
    const crowd = Array.from({ length: 20 }, () => ({ z: 1e-6, lossScore: 0.0001, established: false }));
    expect(assignmentScale([...workers, ...crowd])).toBe(2);
  });

  it("is scaled by the median of established peers, if that is above 0", () => {
    expect(assignmentScale([])).toBeNull();
    expect(assignmentScale(established([-1, -2, 3]))).toBeNull();
    expect(assignmentScale(established([1, 2, 3]))).toBe(2);
    expect(assignmentScale(established([Number.NEGATIVE_INFINITY, 2, 3, 4]))).toBe(3);
  });

  it("of one who always or never trains its own text comes close to 1 and -1", () => {
    const scoreAfter = (z: number) =>
      Array.from({ length: 60 }).reduce<number>((m) => nextAssignmentScore(m, z, 1), 0);
    expect(scoreAfter(1)).toBeGreaterThan(0.99);
    expect(scoreAfter(-1)).toBeLessThan(-0.99);
  });
});
