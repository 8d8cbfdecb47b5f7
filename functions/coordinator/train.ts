/**
 * Training and uploading end with the cutoff: every awaited peer has delivered, or the deadline has passed. Nobody
 * else is waited for, so a key that announces and never delivers costs others nothing from its second round on.
 *
 * @module
 */
import { type Cutoff, toInstant, toMilliseconds } from "../../schemas/index.ts";
import { hasPassed } from "./deadlines.ts";
import { count, type Decision, recorded, short, waiting } from "./decision.ts";
import type { FactsOf } from "./facts.ts";

export function decideTrain(facts: FactsOf<"train">, asOfMs: number): Decision {
  const { roster } = facts;
  const committed = new Set(facts.commits.map((commit) => commit.peer));
  const commitsClosed = hasPassed(toMilliseconds(roster.body.commitBy), asOfMs);
  const awaited = roster.body.peers
    .filter(({ peer, awaited }) => awaited && (committed.has(peer) || !commitsClosed))
    .map(({ peer }) => peer);
  const outstanding = awaited.filter((peer) => !facts.delivered.has(peer));
  const deadlineMs = toMilliseconds(roster.body.uploadedBy);
  const over = hasPassed(deadlineMs, asOfMs);
  // With nobody to wait for, the round would end before anybody could train: then the deadlines decide.
  const early = awaited.length > 0 && outstanding.length === 0;

  if (!early && !over && !facts.aborted) {
    const waitingFor = outstanding.map((peer) =>
      committed.has(peer)
        ? { kind: "upload" as const, name: peer, text: `upload of ${short(peer)}` }
        : { kind: "commit" as const, name: peer, text: `commit of ${short(peer)}` },
    );
    if (waitingFor.length === 0) {
      waitingFor.push({
        kind: "commit",
        name: "",
        text: "commits of peers that failed to deliver last time",
      });
    }
    return waiting(
      `${count(facts.delivered.size, "submission")} complete of ${roster.body.peers.length}`,
      waitingFor,
      commitsClosed ? deadlineMs : toMilliseconds(roster.body.commitBy),
    );
  }

  const reason = facts.aborted
    ? "the operator aborted the round"
    : early
      ? `all ${awaited.length} awaited peers have delivered`
      : `upload deadline passed with ${count(facts.delivered.size, "complete submission")}`;
  // The barrier reveals nothing, but only who can go on may set it: a cutoff without a close would end the round.
  if (facts.seeds === undefined) return recorded(null, reason);
  const body: Cutoff = {
    round: facts.round,
    asOf: toInstant(asOfMs),
    reason,
    roster: roster.hash,
    early: !over,
  };
  return recorded({ type: "cutoff", body }, reason);
}
