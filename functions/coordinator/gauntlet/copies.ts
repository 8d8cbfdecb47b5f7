/**
 * Copies: equal decoded values, or a support overlap above min(0.65, the round's median + 0.2), make a cluster. A
 * cluster has one slot and one share, and nobody is blamed: who copied whom cannot be seen.
 *
 * Honest peers share 35 to 41 % of their indices in the first rounds and about 20 % later, an exact copy all of them;
 * a fixed limit of 40 % would hit honest peers.
 *
 * @module
 */
import { lowerMedian } from "../norms.ts";

const HIGHEST_THRESHOLD = 0.65;
const ABOVE_MEDIAN = 0.2;

export interface Sketched {
  peer: string;
  /** SHA-256 of the decoded values. */
  decoded: string;
  /** Kept indices of the drawn chunks: base64 of u16 little-endian, one string a shard. */
  sketch: readonly string[];
}

export interface Cluster {
  /** Ascending. */
  peers: string[];
  /** Highest overlap between two of them. */
  overlap: number;
  threshold: number;
  identical: boolean;
}

/** One number for each kept index: its place among the drawn chunks and its place within the chunk. */
function indexKeys(sketch: readonly string[], keep: number): Set<number> {
  const keys = new Set<number>();
  let entry = 0;
  for (const text of sketch) {
    const bytes = Buffer.from(text, "base64");
    for (let at = 0; at + 1 < bytes.length; at += 2, entry++) {
      keys.add(Math.floor(entry / keep) * 65_536 + bytes.readUInt16LE(at));
    }
  }
  return keys;
}

function overlap(one: ReadonlySet<number>, other: ReadonlySet<number>): number {
  const size = Math.max(one.size, other.size);
  if (size === 0) return 0;
  let shared = 0;
  for (const key of one) if (other.has(key)) shared++;
  return shared / size;
}

/** Clusters among the submissions of a round, each ascending by peer id, ordered by their first peer. `keep`: k. */
export function findClusters(submissions: readonly Sketched[], keep: number): Cluster[] {
  const byId = [...submissions].sort((a, b) => (a.peer < b.peer ? -1 : 1));
  const supports = byId.map((one) => indexKeys(one.sketch, keep));
  const pairs: { a: number; b: number; overlap: number; identical: boolean }[] = [];
  for (let a = 0; a < byId.length; a++) {
    for (let b = a + 1; b < byId.length; b++) {
      const identical = byId[a]?.decoded === byId[b]?.decoded;
      pairs.push({ a, b, overlap: overlap(supports[a] ?? new Set(), supports[b] ?? new Set()), identical });
    }
  }
  const median = lowerMedian(pairs.map((pair) => pair.overlap)) ?? 0;
  const threshold = Math.min(HIGHEST_THRESHOLD, median + ABOVE_MEDIAN);

  // Union-find over the pairs that are too close.
  const leader = byId.map((_, i) => i);
  const find = (i: number): number => (leader[i] === i ? i : find(leader[i] ?? i));
  const close = pairs.filter((pair) => pair.identical || pair.overlap > threshold);
  for (const { a, b } of close) leader[Math.max(find(a), find(b))] = Math.min(find(a), find(b));

  const clusters: Cluster[] = [];
  for (let i = 0; i < byId.length; i++) {
    const members = byId.map((_, j) => j).filter((j) => find(j) === i);
    if (members.length < 2) continue;
    const inside = close.filter((pair) => find(pair.a) === i);
    clusters.push({
      peers: members.map((j) => byId[j]?.peer ?? ""),
      overlap: Math.max(...inside.map((pair) => pair.overlap)),
      threshold,
      identical: inside.some((pair) => pair.identical),
    });
  }
  return clusters;
}
