import { describe, expect, it } from "vitest";
import { Draw } from "../draws.ts";
import { digest, peerId, sketchText } from "../testing/facts.ts";
import { findClusters, type Sketched } from "./copies.ts";

const KEEP = 16;

/** A peer whose support over one chunk is `first` .. `first` + 15. */
const peer = (n: number, first: number, decoded = `decoded ${n}`): Sketched => ({
  peer: peerId(n),
  decoded: digest(decoded),
  established: true,
  weight: 1,
  sketch: [sketchText(KEEP, first)],
});

const find = (submissions: readonly Sketched[]) => findClusters(submissions, KEEP, digest("seed"));

/** Honest peers, far apart. */
const honest = (count: number) => Array.from({ length: count }, (_, i) => peer(i + 1, 1_000 + 16 * i));

/** Peers that pairwise share `shared` of their 16 indices and nothing else. */
const alike = (count: number, shared: number): Sketched[] =>
  Array.from({ length: count }, (_, i) => ({
    ...peer(i + 1, 0),
    sketch: [
      Buffer.from(
        Uint16Array.from({ length: KEEP }, (_, j) => (j < shared ? j : 100 + 100 * i + j)).buffer,
      ).toString("base64"),
    ],
  }));

describe("copies", () => {
  it("are nobody among honest peers that share nothing", () => {
    expect(find(honest(6))).toEqual([]);
  });

  it.each([3, 6])("are nobody among honest peers that share %d of 16 indices (19 and 38 %%)", (shared) => {
    expect(find(alike(8, shared))).toEqual([]);
    expect(find(alike(2, shared))).toEqual([]);
  });

  it("are not made of those who train by a crowd of new keys that overlap with nobody", () => {
    const trained = alike(6, 6).map((one) => ({ ...one, established: false }));
    const crowd = Array.from({ length: 20 }, (_, i) => ({
      ...peer(100 + i, 5_000 + 16 * i),
      established: false,
    }));
    expect(find([...trained, ...crowd])).toEqual([]);
    const known = trained.map((one) => ({ ...one, established: true }));
    expect(find([...known, ...crowd])).toEqual([]);
  });

  it("are measured, before there are established peers, by what those share who helped", () => {
    const strangers = alike(7, 5).map((one) => ({ ...one, established: false }));
    // Two of them share 9 of 16 indices: above the 5 of the others + 0.2.
    const pair = [50, 51].map((n) => ({
      ...peer(n, 2_000 + 7 * (n - 50)),
      established: false,
    }));
    const clusters = (weight: number) => find([...strangers, ...pair].map((one) => ({ ...one, weight })));
    expect(clusters(0)).toEqual([]);
    expect(clusters(0.1).map(({ peers }) => peers)).toEqual([[peerId(50), peerId(51)]]);
    // Who has not helped yet tells nothing, however many there are.
    const crowd = Array.from({ length: 40 }, (_, i) => ({
      ...peer(100 + i, 5_000 + 16 * i),
      established: false,
      weight: 0,
    }));
    const six = alike(6, 8).map((one) => ({ ...one, established: false }));
    expect(find([...six, ...crowd])).toEqual([]);
  });

  it("are found by equal values, whatever container they came in", () => {
    const [cluster, ...others] = find([...honest(4), peer(9, 9_000, "decoded 2")]);
    expect(others).toEqual([]);
    expect(cluster).toMatchObject({ peers: [peerId(2), peerId(9)], identical: true });
  });

  it("are found by the places they kept, though the values differ", () => {
    const [cluster] = find([...honest(4), peer(9, 1_016)]);
    expect(cluster).toEqual({ peers: [peerId(2), peerId(9)], overlap: 1, threshold: 0.45, identical: false });
  });

  it("are not made of honest peers by some of the established who send random indices", () => {
    // Six of sixteen are as many as honest peers share at most; most pairs hold one of the three others.
    const far = [7, 8, 9].map((n) => peer(n, 1_000 * n));
    expect(find([...alike(4, 6), ...far])).toEqual([]);
  });

  it("are blamed on nobody: a cluster is its members, ascending, whoever came first", () => {
    const submissions = [...honest(3), peer(9, 1_016)];
    expect(find(submissions)).toEqual(find([...submissions].reverse()));
  });

  it("of three are one cluster, also when they are linked in a chain", () => {
    // 2 and 3 share 12, 3 and 4 share 12, 2 and 4 share 8 of 16; four more share nothing.
    const chain = [peer(2, 0), peer(3, 4), peer(4, 8)];
    const far = [5, 6, 7, 8].map((n) => peer(n, 1_000 * n));
    const clusters = find([...far, ...chain]);
    expect(clusters.map(({ peers }) => peers)).toEqual([[peerId(2), peerId(3), peerId(4)]]);
    expect(clusters[0]?.overlap).toBe(0.75);
  });

  it("may be two clusters", () => {
    const clusters = find([peer(1, 0), peer(2, 0), peer(3, 100), peer(4, 100), peer(5, 900)]);
    expect(clusters.map(({ peers }) => peers)).toEqual([
      [peerId(1), peerId(2)],
      [peerId(3), peerId(4)],
    ]);
  });

  it("are still found when they are the majority: the threshold is never above 65 %", () => {
    const copies = [1, 2, 3, 4].map((n) => peer(n, 0));
    const [cluster] = find([...copies, peer(5, 500)]);
    expect(cluster).toMatchObject({ peers: [1, 2, 3, 4].map(peerId), threshold: 0.65 });
  });

  it.each([
    [10, false],
    [11, true],
  ])("of two alone need more than 65 %%: %d of 16 indices", (shared, copies) => {
    expect(find(alike(2, shared)).length > 0).toBe(copies);
  });

  it("are compared chunk by chunk: the same place in another chunk is another place", () => {
    const two = (n: number, first: number, second: number) => ({
      ...peer(n, 0),
      sketch: [sketchText(KEEP, first), sketchText(KEEP, second)],
    });
    expect(find([two(1, 0, 100), two(2, 100, 0), two(3, 500, 600)])).toEqual([]);
  });

  describe("among many", () => {
    const CHUNKS = 64;
    /** A support over many chunks: of each 16 indices `own` are drawn for this peer, the others are the victim's. */
    const updateOf = (n: number, own: number, victim = 0): Sketched => {
      const indices = (who: number, chunk: number) => {
        const draw = new Draw(digest(`support of ${who}`), `chunk ${chunk}`);
        return draw.distinct(KEEP, 4_096).sort((a, b) => a - b);
      };
      const sketch = Array.from({ length: CHUNKS }, (_, chunk) => {
        const mine = indices(n, chunk).slice(0, own);
        const kept = [...mine, ...indices(victim, chunk).filter((index) => !mine.includes(index))].slice(
          0,
          KEEP,
        );
        return Buffer.from(Uint16Array.from(kept).buffer).toString("base64");
      });
      return { peer: peerId(n), decoded: digest(`decoded ${n}`), established: true, weight: 1, sketch };
    };
    const honestMany = Array.from({ length: 150 }, (_, i) => updateOf(i + 1, KEEP));

    it("are found like among few: exact ones, blends of 13 in 16 indices, equal values, and nobody else", () => {
      const exact = updateOf(1_001, 0, 5);
      const blend = updateOf(1_002, 3, 9);
      const equal = { ...updateOf(1_003, KEEP), decoded: digest("decoded 20") };
      const clusters = find([...honestMany, exact, blend, equal]);
      expect(clusters.map(({ peers, identical }) => [...peers, identical])).toEqual([
        [peerId(5), peerId(1_001), false],
        [peerId(9), peerId(1_002), false],
        [peerId(20), peerId(1_003), true],
      ]);
    });

    it("are one cluster however many they are", () => {
      const copies = Array.from({ length: 200 }, (_, i) => updateOf(2_000 + i, 0, 5));
      const clusters = find([...honestMany, ...copies]);
      expect(clusters.map(({ peers }) => peers.length)).toEqual([201]);
    });
  });

  it("need two", () => {
    expect(find([])).toEqual([]);
    expect(find([peer(1, 0)])).toEqual([]);
  });
});
