/**
 * Error feedback is settled by verdict: selected e <- e' + (1 - c_p) * update; not selected, late or lost
 * e <- e' + update. So nothing a peer computed is lost, whatever became of its upload.
 *
 * @module
 */
import { receiptsPageOf } from "../../functions/coordinator/receipts.ts";
import { f32FromHex, hashOf, type KeepCount, keys, type Receipt } from "../../schemas/index.ts";
import { type RunView, requireSigned } from "../replica/run-view.ts";
import type { PendingUpdate } from "./peer-state.ts";

/** The peer's receipt of a finished round; null: it was not in the roster. */
export async function readReceipt(view: RunView, round: number, peer: string): Promise<Receipt | null> {
  const roster = await requireSigned(view, "roster", keys.roster(view.run, round));
  const page = receiptsPageOf(roster.body, peer);
  if (page < 0) return null;
  const receipts = await requireSigned(view, "receipts", keys.receipts(view.run, round, page));
  return receipts.body.receipts.find((receipt) => receipt.peer === peer) ?? null;
}

/** The error state after the verdict on a pending payload, which is left as it was. */
export async function settledError(
  view: RunView,
  peer: string,
  error: Float32Array,
  pending: PendingUpdate,
  keep: KeepCount,
): Promise<Float32Array> {
  const factor = 1 - (await usedShare(view, peer, pending));
  if (factor === 0) return error;
  const { layout, codec } = view;
  const settled = error.slice();
  for (const [shard, bytes] of pending.shards.entries()) {
    const parsed = codec.parseShard(bytes, { layout, shard, round: pending.round, k: keep });
    codec.addScaled(parsed, factor, settled);
  }
  return settled;
}

/** c_p if this very payload was used, else 0. */
async function usedShare(view: RunView, peer: string, pending: PendingUpdate): Promise<number> {
  const receipt = await readReceipt(view, pending.round, peer);
  if (receipt?.verdict !== "selected" || receipt.clip === null) return 0;
  return receipt.commit === hashOf(pending.commit) ? f32FromHex(receipt.clip) : 0;
}
