/**
 * Copies: equal decoded values, or a support overlap above what is usual + 0.2 (held within 0.45 and
 * 0.65), make a cluster. A cluster has one slot and one share, and nobody is blamed: who copied whom cannot be seen.
 *
 * Honest peers share 32 to 44 % of their indices in the first rounds and about 15 % later, an exact copy all of them, keys that send one
 * sum with a third left out half of them; a fixed limit of 40 % would hit honest peers. So would the median over everybody: keys that
 * send noise overlap with nobody, and enough of them would make copies of all who train. So a pair weighs what both helped last time,
 * and three quarters of that weight decide, or what is usual between established peers if that is less; before anybody helped 65 % is
 * the limit.
 *
 * Among few updates all pairs are compared. Among many that would take longer than a round: there the median is that of
 * drawn pairs, and only those are compared that agree on the first indices of some drawn chunk, in a drawn order.
 *
 * @module
 */
import { Draw } from "../draws.ts";
import { lowerMedian, restsOnEstablished, weightedQuantile } from "./robust.ts";

/** Up to so many updates all pairs are compared. */
const FEW = 64;
/** Pairs that tell what is usual, where there are more updates. */
const PAIRS = 4_096;
/**
 * Two updates are compared if the first so many indices of one chunk are the same, in a drawn order of indices. With an
 * overlap of 0.65 that happens in 5 % of the chunks (of 64 drawn ones: in 97 of 100 cases at least once), with 0.8 in 20 %
 * (always), with the 0.3 of honest peers in 0.1 %.
 */
const FIRST_INDICES = 4;
/** Of those who agree on a chunk, each is compared with so many that are no copies of one another. */
const REPRESENTATIVES = 16;

const HIGHEST_THRESHOLD = 0.65;
/** Above what honest peers share at most: some of the established that send random indices must not lower it further. */
const LOWEST_THRESHOLD = 0.45;
const ABOVE_USUAL = 0.2;
/** Part of the weight at which an overlap is usual: pairs of those who train on something else pull down. */
const USUAL_PART = 0.75;

export interface Sketched {
  peer: string;
  /** SHA-256 of the decoded values. */
  decoded: string;
  established: boolean;
  /** What it helped last time; 0 if it did not. */
  weight: number;
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

/**
 * Clusters among the submissions of a round, each ascending by peer id, ordered by their first peer. `keep`: k; `seed`: the
 * link that the close reveals.
 */
export function findClusters(submissions: readonly Sketched[], keep: number, seed: string): Cluster[] {
  const byId = [...submissions].sort((a, b) => (a.peer < b.peer ? -1 : 1));
  const supports = byId.map((one) => indexKeys(one.sketch, keep));
  const overlapOf = (a: number, b: number) => overlap(supports[a] as Set<number>, supports[b] as Set<number>);
  const expected = usualOverlap(byId, overlapOf, seed);
  const threshold =
    expected === null
      ? HIGHEST_THRESHOLD
      : Math.max(LOWEST_THRESHOLD, Math.min(HIGHEST_THRESHOLD, expected + ABOVE_USUAL));

  const links: { a: number; b: number; overlap: number; identical: boolean }[] = [];
  const leader = byId.map((_, i) => i);
  const find = (i: number): number => {
    let at = i;
    while (leader[at] !== at) {
      leader[at] = leader[leader[at] as number] as number;
      at = leader[at] as number;
    }
    return at;
  };
  const link = (a: number, b: number, shared: number, identical: boolean) => {
    links.push({ a, b, overlap: shared, identical });
    const [one, other] = [find(a), find(b)];
    leader[Math.max(one, other)] = Math.min(one, other);
  };

  for (const [first, ...others] of groups(byId.keys(), (i) => byId[i]?.decoded ?? ""))
    for (const other of others) link(first, other, overlapOf(first, other), true);
  /** Links two if they are too close; true: they are in one cluster. */
  const compare = (a: number, b: number): boolean => {
    const shared = overlapOf(a, b);
    if (shared > threshold) link(a, b, shared, false);
    return shared > threshold;
  };
  if (byId.length <= FEW) {
    for (let a = 0; a < byId.length; a++) for (let b = a + 1; b < byId.length; b++) compare(a, b);
  } else {
    for (const alike of alikeInSomeChunk(supports, seed)) {
      const representatives: number[] = [];
      for (const i of alike) {
        if (representatives.some((other) => find(other) === find(i) || compare(other, i))) continue;
        if (representatives.length < REPRESENTATIVES) representatives.push(i);
      }
    }
  }

  return [...groups(byId.keys(), (i) => String(find(i)))].flatMap((members) => {
    if (members.length < 2) return [];
    const inside = links.filter(({ a }) => find(a) === find(members[0] as number));
    return {
      peers: members.map((i) => byId[i]?.peer ?? ""),
      overlap: Math.max(...inside.map((one) => one.overlap)),
      threshold,
      identical: inside.some((one) => one.identical),
    };
  });
}

/**
 * What two peers share that do not copy: the lower of what established peers share and of what those share who helped. Whoever wants
 * more to be usual must be most of both. Null: nobody is known yet.
 */
function usualOverlap(
  byId: readonly Sketched[],
  overlapOf: (a: number, b: number) => number,
  seed: string,
): number | null {
  const known = byId.flatMap(({ established, weight }, i) => (established || weight > 0 ? [i] : []));
  // Nobody weighs more than the middle one: three that help most together must not be most of the weight.
  const most = lowerMedian(byId.map(({ weight }) => weight).filter((weight) => weight > 0)) ?? 0;
  const pairs = pairsOf(known, seed).map(([a, b]) => {
    const [one, other] = [byId[a], byId[b]] as [Sketched, Sketched];
    const established = one.established && other.established;
    const weight = Math.min(one.weight, most) * Math.min(other.weight, most);
    return { value: overlapOf(a, b), weight, established };
  });
  const helpful = weightedQuantile(
    USUAL_PART,
    pairs.filter(({ weight }) => weight > 0),
  );
  const ofEstablished = restsOnEstablished(byId)
    ? lowerMedian(pairs.filter(({ established }) => established).map(({ value }) => value))
    : null;
  const found = [helpful, ofEstablished].filter((one) => one !== null);
  return found.length === 0 ? null : Math.min(...found);
}

/** All pairs of these, or drawn ones. */
function pairsOf(some: readonly number[], seed: string): [number, number][] {
  if (some.length <= FEW)
    return some.flatMap((a, i) => some.slice(i + 1).map((b): [number, number] => [a, b]));
  const draw = new Draw(seed, "copies/median");
  return Array.from({ length: PAIRS }, () => {
    const [a = 0, b = 0] = draw.distinct(2, some.length).map((place) => some[place] as number);
    return [a, b];
  });
}

/** Those who agree on the first indices of a chunk, chunk by chunk, ascending. */
function* alikeInSomeChunk(supports: readonly ReadonlySet<number>[], seed: string): Generator<number[]> {
  const salt = new Draw(seed, "copies/order").integer(2 ** 32);
  const byChunk = new Map<number, Map<string, number[]>>();
  for (const [i, support] of supports.entries()) {
    for (const [chunk, first] of firstIndices(support, salt)) {
      const alike = byChunk.get(chunk) ?? new Map<string, number[]>();
      byChunk.set(chunk, alike);
      const members = alike.get(first) ?? [];
      alike.set(first, members);
      members.push(i);
    }
  }
  for (const alike of byChunk.values())
    for (const members of alike.values()) if (members.length > 1) yield members;
}

/** Of each chunk, the indices that come first in the drawn order. */
function firstIndices(support: ReadonlySet<number>, salt: number): Map<number, string> {
  const ordered = new Map<number, { order: number; key: number }[]>();
  for (const key of support) {
    const chunk = Math.floor(key / 65_536);
    const inChunk = ordered.get(chunk) ?? [];
    ordered.set(chunk, inChunk);
    inChunk.push({ order: mixed(key, salt), key });
  }
  return new Map(
    [...ordered].map(([chunk, indices]) => {
      indices.sort((a, b) => a.order - b.order || a.key - b.key);
      return [
        chunk,
        indices
          .slice(0, FIRST_INDICES)
          .map(({ key }) => key)
          .join(),
      ];
    }),
  );
}

/** A drawn order of 32-bit numbers (the finalizer of MurmurHash3). */
function mixed(key: number, salt: number): number {
  let hash = Math.imul(key ^ salt, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Items by their key, in the order of each key's first item. */
function groups(items: Iterable<number>, keyOf: (item: number) => string): Iterable<[number, ...number[]]> {
  const found = new Map<string, [number, ...number[]]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = found.get(key);
    if (group === undefined) found.set(key, [item]);
    else group.push(item);
  }
  return found.values();
}
