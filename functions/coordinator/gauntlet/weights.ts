/**
 * w_p: how much of the aggregate an update is. Equal for all that were judged; together the others carry a quarter at most.
 *
 * @module
 */

/** What unjudged updates may weigh together, as a share of the judged ones: a third of those is a quarter of all. */
const UNJUDGED_TO_JUDGED = 1 / 3;

/** Float32 weights that sum to 1, by peer. */
export function weightsOf(used: readonly { peer: string; judged: boolean }[]): Map<string, number> {
  const judged = used.filter((one) => one.judged).length;
  const unjudged = used.length - judged;
  const each = unjudged === 0 ? 0 : Math.min(1, (UNJUDGED_TO_JUDGED * judged) / unjudged);
  const total = judged + unjudged * each;
  return new Map(used.map((one) => [one.peer, Math.fround((one.judged ? 1 : each) / total)]));
}
