import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DataIndex, RunConfig } from "../../schemas/index.ts";
import { anchorWindows, heldOutTokens, ownedWindows, roundWindows } from "./assignment.ts";
import { configWith, digest, peerId, testConfig, testData } from "./testing/facts.ts";

const length = testConfig.model.sequenceLength;
const positions = (peers: number) => Array.from({ length: peers }, (_, i) => i);

/** Text of so many tokens, the last twentieth held out. */
function text(tokens: number): DataIndex {
  const end = Math.floor(tokens * 0.95);
  return { ...testData, tokens, train: { start: 0, end }, heldOut: { start: end, end: tokens } };
}

describe("the windows of a round", () => {
  it("are those of the protocol: changing one of these is a new protocol", () => {
    const seed = `${"00".repeat(31)}01`;
    const windows = roundWindows(seed, testData, testConfig, 3);
    expect([windows.count, windows.firstToken(0), windows.unassignedCount]).toEqual([474, 7, 462]);
    expect(windows.assigned(0)).toEqual([431, 38, 249, 202]);
    expect(windows.assigned(1)).toEqual([48, 8, 320, 250]);
    expect(anchorWindows(seed, windows, 4)).toEqual([402, 471, 125, 310]);
    expect(ownedWindows(seed, "22".repeat(32), windows, 1, 2)).toEqual([320, 250]);
  });

  it("give every peer its own text while there is enough of it", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.nat(1_000), (peers, n) => {
        const windows = roundWindows(digest(`seed ${n}`), testData, testConfig, peers);
        const assigned = positions(peers).flatMap(windows.assigned);
        expect(assigned).toHaveLength(peers * 4);
        expect(new Set(assigned).size).toBe(assigned.length);
        expect(assigned.every((window) => window >= 0 && window < windows.count)).toBe(true);
      }),
      { numRuns: 40, seed: 1 },
    );
  });

  it("are whole sequences, with the token that follows, inside the training text", () => {
    fc.assert(
      fc.property(fc.integer({ min: 40, max: 3_000 }), fc.nat(1_000), (tokens, n) => {
        const data = text(tokens);
        const windows = roundWindows(digest(`seed ${n}`), data, testConfig, 3);
        expect(windows.firstToken(0)).toBeGreaterThanOrEqual(data.train.start);
        expect(windows.firstToken(windows.count - 1) + length + 1).toBeLessThanOrEqual(data.train.end);
      }),
      { numRuns: 100, seed: 1 },
    );
  });

  it("never hand out what the anchor is drawn from, however many peers there are", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 60, max: 2_000 }),
        fc.nat(1_000),
        (peers, tokens, n) => {
          const windows = roundWindows(digest(`seed ${n}`), text(tokens), testConfig, peers);
          const assigned = new Set(positions(peers).flatMap(windows.assigned));
          const anchor = anchorWindows(digest(`close ${n}`), windows, 4);
          expect(anchor.some((window) => assigned.has(window))).toBe(false);
          expect(new Set(anchor).size).toBe(anchor.length);
          expect(anchor).toHaveLength(Math.min(4, Math.floor(windows.count / 2)));
        },
      ),
      { numRuns: 60, seed: 1 },
    );
  });

  it("are shared when there are more peers than text, and everybody still trains a full round", () => {
    const windows = roundWindows(digest("crowd"), text(200), testConfig, 500);
    for (const position of positions(500)) {
      const pool = windows.assigned(position);
      expect(pool).toHaveLength(4);
      expect(pool.every((window) => window >= 0 && window < windows.count)).toBe(true);
    }
  });

  it("judge an owner on its own text", () => {
    const windows = roundWindows(digest("owners"), testData, testConfig, 8);
    for (const position of positions(8)) {
      const owned = ownedWindows(digest("close"), peerId(position), windows, position, 3);
      expect(owned).toHaveLength(3);
      expect(owned.every((window) => windows.assigned(position).includes(window))).toBe(true);
    }
  });

  it("give an owner no more than it has", () => {
    const windows = roundWindows(digest("owners"), testData, testConfig, 8);
    expect(ownedWindows(digest("close"), peerId(0), windows, 0, 100)).toHaveLength(4);
  });

  it("are other ones in every round", () => {
    const first = (n: number) => {
      const windows = roundWindows(digest(`round ${n}`), testData, testConfig, 4);
      return windows.firstToken(windows.assigned(0)[0] ?? 0);
    };
    expect(new Set([1, 2, 3, 4, 5, 6].map(first)).size).toBeGreaterThan(4);
  });

  it("cannot be known before the close reveals its seed: the anchor differs with it", () => {
    const windows = roundWindows(digest("roster"), testData, testConfig, 4);
    expect(anchorWindows(digest("a"), windows, 4)).not.toEqual(anchorWindows(digest("b"), windows, 4));
  });
});

describe("the held-out text", () => {
  const withHeldOut = (windows: number): RunConfig => ({
    ...testConfig,
    heldOut: { windows, everyRounds: 1 },
  });

  it.each([1, 4, 100, 10_000])("is never left: %d windows", (wanted) => {
    const starts = heldOutTokens(testData, withHeldOut(wanted));
    expect(new Set(starts).size).toBe(starts.length);
    for (const start of starts) {
      expect(start).toBeGreaterThanOrEqual(testData.heldOut.start);
      expect(start + length + 1).toBeLessThanOrEqual(testData.heldOut.end);
    }
  });

  it("is never trained on", () => {
    const windows = roundWindows(digest("any"), testData, configWith("inner", { steps: 100 }), 100);
    const trained = positions(100).flatMap(windows.assigned).map(windows.firstToken);
    const first = Math.min(...heldOutTokens(testData, withHeldOut(10)));
    expect(Math.max(...trained) + length + 1).toBeLessThanOrEqual(first);
  });

  it("is the same in every round", () => {
    expect(heldOutTokens(testData, testConfig)).toEqual(heldOutTokens(testData, testConfig));
  });
});
