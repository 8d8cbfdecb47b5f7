import { describe, expect, it } from "vitest";
import { digest, peerId, sketchText } from "../testing/facts.ts";
import { findClusters, type Sketched } from "./copies.ts";

const KEEP = 16;

/** A peer whose support over one chunk is `first` .. `first` + 15. */
const peer = (n: number, first: number, decoded = `decoded ${n}`): Sketched => ({
  peer: peerId(n),
  decoded: digest(decoded),
  sketch: [sketchText(KEEP, first)],
});

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
    expect(findClusters(honest(6), KEEP)).toEqual([]);
  });

  it.each([3, 6])("are nobody among honest peers that share %d of 16 indices (19 and 38 %%)", (shared) => {
    expect(findClusters(alike(8, shared), KEEP)).toEqual([]);
    expect(findClusters(alike(2, shared), KEEP)).toEqual([]);
  });

  it("are found by equal values, whatever container they came in", () => {
    const [cluster, ...others] = findClusters([...honest(4), peer(9, 9_000, "decoded 2")], KEEP);
    expect(others).toEqual([]);
    expect(cluster).toMatchObject({ peers: [peerId(2), peerId(9)], identical: true });
  });

  it("are found by the places they kept, though the values differ", () => {
    const [cluster] = findClusters([...honest(4), peer(9, 1_016)], KEEP);
    expect(cluster).toEqual({ peers: [peerId(2), peerId(9)], overlap: 1, threshold: 0.2, identical: false });
  });

  it("are blamed on nobody: a cluster is its members, ascending, whoever came first", () => {
    const submissions = [...honest(3), peer(9, 1_016)];
    expect(findClusters(submissions, KEEP)).toEqual(findClusters([...submissions].reverse(), KEEP));
  });

  it("of three are one cluster, also when they are linked in a chain", () => {
    // 2 and 3 share 12, 3 and 4 share 12, 2 and 4 share 8 of 16; four more share nothing.
    const chain = [peer(2, 0), peer(3, 4), peer(4, 8)];
    const far = [5, 6, 7, 8].map((n) => peer(n, 1_000 * n));
    const clusters = findClusters([...far, ...chain], KEEP);
    expect(clusters.map(({ peers }) => peers)).toEqual([[peerId(2), peerId(3), peerId(4)]]);
    expect(clusters[0]?.overlap).toBe(0.75);
  });

  it("may be two clusters", () => {
    const clusters = findClusters([peer(1, 0), peer(2, 0), peer(3, 100), peer(4, 100), peer(5, 900)], KEEP);
    expect(clusters.map(({ peers }) => peers)).toEqual([
      [peerId(1), peerId(2)],
      [peerId(3), peerId(4)],
    ]);
  });

  it("are still found when they are the majority: the threshold is never above 65 %", () => {
    const copies = [1, 2, 3, 4].map((n) => peer(n, 0));
    const [cluster] = findClusters([...copies, peer(5, 500)], KEEP);
    expect(cluster).toMatchObject({ peers: [1, 2, 3, 4].map(peerId), threshold: 0.65 });
  });

  it.each([
    [10, false],
    [11, true],
  ])("of two alone need more than 65 %%: %d of 16 indices", (shared, copies) => {
    expect(findClusters(alike(2, shared), KEEP).length > 0).toBe(copies);
  });

  it("are compared chunk by chunk: the same place in another chunk is another place", () => {
    const two = (n: number, first: number, second: number) => ({
      ...peer(n, 0),
      sketch: [sketchText(KEEP, first), sketchText(KEEP, second)],
    });
    expect(findClusters([two(1, 0, 100), two(2, 100, 0), two(3, 500, 600)], KEEP)).toEqual([]);
  });

  it("need two", () => {
    expect(findClusters([], KEEP)).toEqual([]);
    expect(findClusters([peer(1, 0)], KEEP)).toEqual([]);
  });
});
