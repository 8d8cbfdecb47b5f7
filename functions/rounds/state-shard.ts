/**
 * The state functions: one shard of the parameters after a round, by the arithmetic every peer uses. Off the critical
 * path: the next round is already under way.
 *
 * @module
 */
import { keys, OuterloopError, sha256 } from "../../schemas/index.ts";
import { stateHash } from "../coordinator/state-check.ts";
import { readManifest } from "./history.ts";
import { readFact, writeDerived, writeDerivedFact } from "./objects.ts";
import type { RunContext } from "./run-context.ts";
import { toBytes, toElements } from "./state-files.ts";

/**
 * Writes one shard of the state after `round`, then joins the shards when it was the last one. Returns false while the
 * round has no manifest or the state before it is not there yet; the sweep asks again.
 */
export async function writeStateShard(context: RunContext, round: number, shard: number): Promise<boolean> {
  const { run, store } = context;
  const recordKey = keys.stateRecord(run, round, shard);
  if ((await readFact(context, "state-record", recordKey)) === null) {
    const base = round - context.genesis.body.config.stateEveryRounds;
    // All of it, not this shard alone: the sweep looks for missing states only down to the newest that stands.
    if (base > 0 && (await readFact(context, "state", keys.state(run, base))) === null) return false;
    const before = await store.get(keys.stateShard(run, base, shard));
    if (before === null) return false;
    const theta = toElements(before.bytes);
    for (let at = base + 1; at <= round; at++) {
      if (!(await applyRound(context, at, shard, theta))) return false;
    }
    const bytes = toBytes(theta);
    await writeDerived(context, keys.stateShard(run, round, shard), bytes);
    const file = { shard, sha256: sha256(bytes), sizeBytes: bytes.length };
    await writeDerivedFact(context, "state-record", recordKey, { round, ...file });
  }
  return joinShards(context, round);
}

/** theta <- theta - alpha * sum a_p update_p on one shard, in place: after an error nobody writes it. Unchanged by an empty or void round. */
async function applyRound(
  context: RunContext,
  round: number,
  shard: number,
  theta: Float32Array,
): Promise<boolean> {
  const { run, codec, layout, store } = context;
  const manifest = await readManifest(context, round);
  if (manifest === null) return false;
  const { outcome, set, aggregates, alpha, keep } = manifest.body;
  if (outcome !== "applied" || set === null) return true;
  const key = keys.aggregate(run, round, shard, set);
  const file = aggregates.find((one) => one.shard === shard);
  const object = await store.get(key);
  if (object === null || sha256(object.bytes) !== file?.sha256) {
    throw new OuterloopError("missing-fact", `${key} is not there as manifest ${round} names it`, { key });
  }
  const aggregate = codec.parseAggregate(object.bytes, { layout, shard, round, k: keep });
  codec.applyAggregate(aggregate, alpha, theta, theta, "shard");
  return true;
}

async function joinShards(context: RunContext, round: number): Promise<boolean> {
  const { run, layout } = context;
  const manifest = await readManifest(context, round);
  const found = await Promise.all(
    layout.shards.map(({ number }) =>
      readFact(context, "state-record", keys.stateRecord(run, round, number)),
    ),
  );
  const shards = found.flatMap((fact) => {
    if (fact === null) return [];
    const { shard, sha256, sizeBytes } = fact.body;
    return [{ shard, sha256, sizeBytes }];
  });
  if (manifest === null || shards.length < layout.shards.length) return false;
  await writeDerivedFact(context, "state", keys.state(run, round), {
    round,
    manifest: manifest.hash,
    stateHash: stateHash(shards.map((one) => one.sha256)),
    shards,
  });
  return true;
}
