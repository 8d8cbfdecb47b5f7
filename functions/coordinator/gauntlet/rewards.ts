/**
 * What an update earns: a share by PeerScore squared over all that passed the gates, never by slot. The square makes one
 * good key worth more than the same work spread over many; a cluster of copies shares what one would earn.
 *
 * @module
 */

/** Shares by peer; together 1, or 0 if nobody has a score. `membersOf`: whom a representative of copies stands for. */
export function sharesOf(
  passed: readonly { peer: string; peerScore: number }[],
  membersOf: ReadonlyMap<string, readonly string[]>,
): Map<string, number> {
  // In the order of peer ids, as every sum, so that every reader gets equal bits.
  const byId = [...passed].sort((a, b) => (a.peer < b.peer ? -1 : 1));
  const total = byId.reduce((sum, { peerScore }) => sum + peerScore ** 2, 0);
  const shares = new Map<string, number>();
  for (const { peer, peerScore } of byId) {
    const members = membersOf.get(peer) ?? [peer];
    const share = total > 0 ? peerScore ** 2 / total / members.length : 0;
    for (const member of members) shares.set(member, share);
  }
  return shares;
}
