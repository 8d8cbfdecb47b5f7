import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { peerId } from "../testing/facts.ts";
import { clipFactors, type MeasuredNorm, yardstickOf } from "./clip.ts";

const measured = (norms: readonly number[], established: readonly boolean[] = []): MeasuredNorm[] =>
  norms.map((norm, i) => ({
    peer: peerId(i + 1),
    established: established[i] ?? false,
    weight: 0,
    norm,
    tensors: [norm],
  }));
const medianNorm = (some: readonly MeasuredNorm[], previous: number | null) =>
  yardstickOf(some, previous)?.median ?? null;
const trio = [true, true, true];

describe("the median norm", () => {
  it.each([
    [[3, 1, 2], 2],
    [[4, 3, 2, 1], 2],
    [[5, 4, 3, 2, 1], 3],
  ])("of established peers %j is the lower median %d", (norms, median) => {
    expect(medianNorm(measured(norms, new Array(norms.length).fill(true)), null)).toBe(median);
  });

  const helpful = (some: readonly MeasuredNorm[]) => some.map((one) => ({ ...one, weight: 0.1 }));

  it.each([
    [[], null],
    [[3], 3],
    [[5, 1], 1],
    [[3, 1, 2], 1],
    [[4, 3, 2, 1], 1],
    [[5, 4, 3, 2, 1], 2],
  ])("while nobody is, of %j is the lower quartile %j", (norms, median) => {
    expect(medianNorm(helpful(measured(norms)), null)).toBe(median);
  });

  // With the lower quartile lazy keys scaled a whole first round to nothing; with the median ten keys that push together set the measure
  // of it to theirs, helped the most by it, and kept it: 8 % of the loss after 24 rounds.
  it("where nobody has helped yet is the lower third: neither a quarter of lazy keys nor ten of sixteen huge ones set it", () => {
    expect(medianNorm(measured([1, 1, 1, 1, 1, 1, 0.01, 0.01]), null)).toBe(1);
    expect(medianNorm(measured([1, 1, 1, 1, 1, 1, ...new Array(10).fill(9)]), null)).toBe(1);
    expect(medianNorm(helpful(measured([1, 1, 1, 1, 1, 1, 0.01, 0.01])), null)).toBe(0.01);
  });

  it("rests on established peers once there are three of them: headcount moves nothing", () => {
    const norms = [1, 1.1, 1.2, 100, 100, 100, 100];
    expect(medianNorm(helpful(measured(norms, [true, true])), null)).toBe(1.1);
    expect(medianNorm(helpful(measured([...norms, 100, 100], [true, true])), null)).toBe(1.2);
    expect(medianNorm(measured([...norms, 100, 100], trio), null)).toBe(1.1);
  });

  it("weighs by PeerScore before: a majority of fresh keys moves nothing from its second round on", () => {
    const some = measured([1, 1.1, 1.2, 0.01, 0.01, 0.01, 0.01]);
    expect(medianNorm(some, null)).toBe(0.01);
    const scored = some.map((one, i) => ({ ...one, weight: i < 3 ? 1 : 0.1 }));
    expect(medianNorm(scored, null)).toBe(1);
    const joined = some.map((one, i) => ({ ...one, weight: i < 3 ? 0.2 : 0 }));
    expect(medianNorm(joined, null)).toBe(1);
  });

  it.each([
    [100, 2],
    [1.5, 1.5],
    [0.01, 0.5],
  ])("of established peers moves at most by a factor of two from 1: %d gives %d", (norm, median) => {
    expect(medianNorm(measured([norm, norm, norm], trio), 1)).toBe(median);
  });

  it("is not that of zero updates, which would clip everybody to nothing, and refuse everybody from then on", () => {
    expect(medianNorm(measured([0, 0, 0, 2]), null)).toBe(2);
    expect(medianNorm(measured([0, 0, 0, 2, 2], trio), null)).toBe(2);
    expect(medianNorm(measured([0, 0]), null)).toBeNull();
  });

  it("is null without submissions, whatever it was before", () => {
    expect(medianNorm([], 1)).toBeNull();
  });

  it("refuses above ten times and below a twentieth of it, but only where established peers say what is usual", () => {
    expect(yardstickOf(measured([2, 2, 2], trio), null)).toEqual({
      median: 2,
      ofEstablished: true,
      lowest: 0.1,
      highest: 20,
    });
    expect(yardstickOf(measured([2, 2, 2]), null)).toEqual({
      median: 2,
      ofEstablished: false,
      lowest: 0,
      highest: Number.POSITIVE_INFINITY,
    });
  });
});

describe("clip factors", () => {
  it("shrink what is above the median to the median, and leave the rest alone", () => {
    const clips = clipFactors(measured([0.5, 1, 2, 4]), 1);
    expect([...clips.values()]).toEqual([1, 1, 0.5, 0.25]);
  });

  it("are float32: every replica multiplies by the same bits", () => {
    const [clip] = clipFactors(measured([3]), 1).values();
    expect(clip).toBe(Math.fround(1 / 3));
  });

  it("bound each tensor to four times its own median: a norm cannot hide in one tensor", () => {
    const honest = [1, 2, 3].map((i) => ({
      peer: peerId(i),
      established: false,
      weight: 0,
      norm: 1,
      tensors: [0.1, 0.99],
    }));
    const hidden = { peer: peerId(4), established: false, weight: 0, norm: 1, tensors: [1, 0] };
    const clips = clipFactors([...honest, hidden], 1);
    expect(clips.get(peerId(4))).toBe(Math.fround(0.4));
    expect(clips.get(peerId(1))).toBe(1);
  });

  it("of a tensor that a minority has starved bind nobody, and starved by a majority leave a twentieth", () => {
    const update = (n: number, tensor: number) => ({
      peer: peerId(n),
      established: false,
      weight: 1,
      norm: 1,
      tensors: [tensor, 0.9],
    });
    const minority = [update(1, 1e-20), ...[2, 3, 4].map((n) => update(n, 0.3))];
    expect([...clipFactors(minority, 1).values()]).toEqual([1, 1, 1, 1]);
    const majority = [...[1, 2, 3].map((n) => update(n, 1e-20)), update(4, 0.3)];
    expect(clipFactors(majority, 1).get(peerId(4))).toBe(Math.fround(1 / 20));
  });

  it("take the smaller of both limits", () => {
    const honest = [1, 2, 3].map((i) => ({
      peer: peerId(i),
      established: false,
      weight: 0,
      norm: 1,
      tensors: [0.1, 0.99],
    }));
    const clips = clipFactors(
      [...honest, { peer: peerId(4), established: false, weight: 0, norm: 5, tensors: [1, 4.9] }],
      1,
    );
    // The whole norm asks for 1/5; after that the first tensor carries 0.2, less than its 0.4.
    expect(clips.get(peerId(4))).toBe(Math.fround(0.2));
  });

  it("never exceed 1, are never negative, and hold every norm within the median", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 1e-6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 12 }),
        (norms) => {
          const all = measured(norms);
          const median = medianNorm(all, null) ?? 0;
          for (const [peer, clip] of clipFactors(all, median)) {
            expect(clip).toBeGreaterThanOrEqual(0);
            expect(clip).toBeLessThanOrEqual(1);
            const norm = all.find((one) => one.peer === peer)?.norm ?? 0;
            expect(norm * clip).toBeLessThanOrEqual(median * (1 + 2 ** -23));
          }
        },
      ),
      { numRuns: 200, seed: 1 },
    );
  });
});
