/**
 * Aggregates one shard of a selected round: the selected records, interleaved by chunk, with their coefficients.
 *
 * @module
 */
import { type AggregateSet, keys, OuterloopError, type ShardFile, sha256 } from "../../schemas/index.ts";
import { readFact, readForeignFact, writeDerived, writeDerivedFact } from "./objects.ts";
import type { RunContext } from "./run-context.ts";

/** Writes the aggregate and, after it, its record. Returns false when there is nothing to aggregate. */
export async function aggregateShard(
  context: RunContext,
  round: number,
  shard: number,
  set: AggregateSet,
): Promise<boolean> {
  const { run, codec, layout, store } = context;
  const selection = await readFact(context, "selection", keys.selection(run, round));
  const roster = await readFact(context, "roster", keys.roster(run, round));
  if (selection === null || roster === null || selection.body[set].length === 0) return false;
  const recordKey = keys.aggregateRecord(run, round, shard, set);
  if ((await readFact(context, "aggregate-record", recordKey)) !== null) return true;

  const expected = { layout, shard, round, k: roster.body.keep };
  const entries = await Promise.all(
    selection.body[set].map(async ({ peer, coefficient }) => {
      const commit = await readForeignFact(context, "commit", keys.commit(run, round, peer), peer);
      const committed = commit?.body.shards.find((one) => one.shard === shard);
      const key = keys.upload(run, round, peer, shard);
      const object = await store.get(key, { maxBytes: committed?.sizeBytes ?? 0 });
      if (committed === undefined || object === null || sha256(object.bytes) !== committed.sha256) {
        throw new OuterloopError(
          "missing-fact",
          `${key} was selected, but is not there as it was committed`,
          { key },
        );
      }
      return {
        peer,
        sha256: committed.sha256,
        coefficientBits: coefficient,
        shard: codec.parseShard(object.bytes, expected),
      };
    }),
  );
  const bytes = codec.buildAggregate({ ...expected, entries });
  await writeDerived(context, keys.aggregate(run, round, shard, set), bytes);
  const file: ShardFile = { shard, sha256: sha256(bytes), sizeBytes: bytes.length };
  await writeDerivedFact(context, "aggregate-record", recordKey, { round, set, ...file });
  return true;
}
