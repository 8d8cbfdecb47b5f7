/**
 * What an update earns: a share by PeerScore squared over all that passed the gates, never by slot. The square makes one
 * good key worth more than the same work spread over many; a cluster of copies shares what its best would earn, which is
 * what is usual at most: keys that send the mean of their work have the clearest assignment scores of all, for the work of one.
 *
 * @module
 */
import type { KeyStanding } from "../../../schemas/index.ts";
import { usual } from "./robust.ts";

/** An update that passed the gates. */
export interface Earner {
  peer: string;
  peerScore: number;
  standing: KeyStanding;
  /** Null: it was not judged. */
  lossScore: number | null;
}

/** PeerScores by representative of copies, and of those for whom it stands, its own among them. */
export type MembersOf = ReadonlyMap<string, ReadonlyMap<string, number>>;

/**
 * The score that pays, by peer: PeerScore, that of several copies held to the usual one of all that passed. They are one among those
 * themselves, so neither who sends copies nor who is aped can move by much what is usual.
 */
export function payingScores(passed: readonly Earner[], membersOf: MembersOf): Map<string, number> {
  const usualScore = usual(
    1 / 2,
    passed.map(({ peerScore, standing, lossScore }) => ({
      value: peerScore,
      weight: Math.max(0, lossScore ?? 0),
      established: standing === "established",
    })),
  );
  // Nobody is usual while most have no score yet.
  const most = usualScore === null || usualScore === 0 ? Number.POSITIVE_INFINITY : usualScore;
  return new Map(
    passed.map(({ peer, peerScore }) => {
      const copies = membersOf.get(peer)?.size ?? 1;
      return [peer, copies > 1 ? Math.min(peerScore, most) : peerScore];
    }),
  );
}

/** Shares by peer; together 1, or 0 if nobody has a score. `scores`: those that pay. */
export function sharesOf(scores: ReadonlyMap<string, number>, membersOf: MembersOf): Map<string, number> {
  // In the order of peer ids, as every sum, so that every reader gets equal bits.
  const byId = [...scores].sort(([a], [b]) => (a < b ? -1 : 1));
  const total = byId.reduce((sum, [, score]) => sum + score ** 2, 0);
  const shares = new Map<string, number>();
  for (const [peer, score] of byId) {
    const share = total > 0 ? score ** 2 / total : 0;
    const members = membersOf.get(peer);
    if (members === undefined) shares.set(peer, share);
    else for (const [member, part] of partsOf(members)) shares.set(member, share * part);
  }
  return shares;
}

/** By PeerScore squared as well; evenly if nobody has a score. */
function partsOf(members: ReadonlyMap<string, number>): Map<string, number> {
  const byId = [...members].sort(([a], [b]) => (a < b ? -1 : 1));
  const total = byId.reduce((sum, [, score]) => sum + score ** 2, 0);
  return new Map(byId.map(([peer, score]) => [peer, total > 0 ? score ** 2 / total : 1 / byId.length]));
}
