/**
 * Delivery: the coordinator's word for a commit, then one pinned PUT a shard.
 *
 * @module
 */
import type { ApiClient } from "../../functions/api/client.ts";
import {
  acknowledgement as acknowledgementSchema,
  type Commit,
  type CommitAnswer,
  canonicalBytes,
  type Genesis,
  hashOf,
  isOuterloopError,
  OuterloopError,
  verifyBytes,
} from "../../schemas/index.ts";

/**
 * An acknowledgement must be signed by an API key of the run and speak of this very commit (`bad-acknowledgement`):
 * it is what a peer can show if its commit is left out.
 */
export function checkAcknowledgement(
  { keys }: Genesis,
  run: string,
  commit: Commit,
  acknowledgement: CommitAnswer["acknowledgement"],
): void {
  const bytes = canonicalBytes(acknowledgement);
  const { body } = verifyBytes("acknowledgement", run, acknowledgementSchema, bytes, { anyOf: keys.api });
  if (body.commit === hashOf(commit) && body.peer === commit.peer && body.round === commit.round) return;
  throw new OuterloopError(
    "bad-acknowledgement",
    "the coordinator acknowledged another commit than this peer's",
  );
}

/** Uploads every shard; a ticket that ran out on the way is asked for again, until the round takes no more uploads. */
export async function uploadShards(
  api: ApiClient,
  run: string,
  round: number,
  shards: readonly Uint8Array[],
  tickets: CommitAnswer["tickets"],
): Promise<void> {
  await Promise.all(
    tickets.map(async ({ shard, ticket }) => {
      const bytes = shards[shard] ?? new Uint8Array();
      try {
        await api.upload(ticket, bytes);
      } catch (error) {
        if (!isOuterloopError(error, "ticket-expired")) throw error;
        const fresh = await api.uploadTickets(run, round);
        const again = fresh.tickets.find((one) => one.shard === shard);
        if (again === undefined) throw error;
        await api.upload(again.ticket, bytes);
      }
    }),
  );
}
