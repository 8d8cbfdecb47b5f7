/**
 * w_p: how much of the aggregate an update is. Equal for those of established peers; one of a key on probation counts for as much as it
 * helps against what is usual, or whoever trains one step of fifteen would take the place of somebody who trains all. Unjudged ones
 * together carry a quarter at most.
 *
 * @module
 */
import type { KeyStanding } from "../../../schemas/index.ts";

/** What unjudged updates may weigh together, as a share of the judged ones: a third of those is a quarter of all. */
const UNJUDGED_TO_JUDGED = 1 / 3;

export interface Weighed {
  peer: string;
  /** Null: it was not judged. */
  lossScore: number | null;
  standing: KeyStanding;
}

/** Float32 weights that sum to 1, by peer. `usualHelp`: the usual LossScore of the round. */
export function weightsOf(used: readonly Weighed[], usualHelp: number): Map<string, number> {
  const partOf = ({ lossScore, standing }: Weighed) =>
    lossScore === null || standing === "established" || usualHelp === 0
      ? 1
      : Math.min(1, lossScore / usualHelp);
  // In the order of peer ids, as every sum, so that every reader gets equal bits.
  const byId = [...used].sort((a, b) => (a.peer < b.peer ? -1 : 1));
  const judged = byId
    .filter(({ lossScore }) => lossScore !== null)
    .reduce((sum, one) => sum + partOf(one), 0);
  const unjudged = byId.filter(({ lossScore }) => lossScore === null).length;
  const each = unjudged === 0 ? 0 : Math.min(1, (UNJUDGED_TO_JUDGED * judged) / unjudged);
  const total = judged + unjudged * each;
  return new Map(
    byId.map((one) => [one.peer, Math.fround((one.lossScore === null ? each : partOf(one)) / total)]),
  );
}
