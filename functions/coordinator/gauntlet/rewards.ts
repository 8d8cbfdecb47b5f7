/**
 * What an update earns: a share by PeerScore squared over all that passed the gates, never by slot. The square makes one
 * good key worth more than the same work spread over many; a cluster of copies shares what its best would earn, and that is no
 * more than what is usual: keys that send the mean of their work have the clearest assignment scores of all, for the work of one.
 *
 * @module
 */
import type { KeyStanding } from "../../../schemas/index.ts";
import { usual } from "./robust.ts";

export interface Earner {
  peer: string;
  peerScore: number;
  standing: KeyStanding;
}

/**
 * Shares by peer; together 1, or 0 if nobody has a score. `membersOf`: the PeerScores of those for whom a representative of copies
 * stands, its own among them.
 */
export function sharesOf(
  passed: readonly Earner[],
  membersOf: ReadonlyMap<string, ReadonlyMap<string, number>>,
): Map<string, number> {
  const alone = passed.filter(({ peer }) => !membersOf.has(peer));
  const usualScore =
    usual(
      1 / 2,
      alone.map(({ peerScore, standing }) => ({
        value: peerScore,
        weight: 1,
        established: standing === "established",
      })),
    ) ?? Number.POSITIVE_INFINITY;
  // In the order of peer ids, as every sum, so that every reader gets equal bits.
  const byId = passed
    .map(({ peer, peerScore }) => ({
      peer,
      score: membersOf.has(peer) ? Math.min(peerScore, usualScore) : peerScore,
    }))
    .sort((a, b) => (a.peer < b.peer ? -1 : 1));
  const total = byId.reduce((sum, { score }) => sum + score ** 2, 0);
  const shares = new Map<string, number>();
  for (const { peer, score } of byId) {
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
