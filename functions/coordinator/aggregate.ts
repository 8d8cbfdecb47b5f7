/**
 * Aggregating ends with the manifest: every shard is there (`applied`), nothing was selected (`empty`), or the
 * deadline passed or the operator aborted (`void`: parameters unchanged, missing shards named).
 *
 * @module
 */
import { type Manifest, toInstant } from "../../schemas/index.ts";
import { deadlineAfter, hasPassed } from "./deadlines.ts";
import { count, type Decision, type Nudge, recorded, waiting } from "./decision.ts";
import type { FactsOf } from "./facts.ts";

export function decideAggregate(facts: FactsOf<"aggregate">, asOfMs: number): Decision {
  const { roster, cutoff, close, selection, config, round, run } = facts;
  const endsAtMs = deadlineAfter(selection.body.asOf, config.windows.aggregationSeconds);
  const over = hasPassed(endsAtMs, asOfMs);
  const empty = selection.body.outcome === "empty";
  const there = new Set(facts.aggregates.map(({ shard }) => shard));
  const missing = empty
    ? []
    : Array.from({ length: facts.shards }, (_, shard) => shard).filter((shard) => !there.has(shard));

  if (missing.length > 0 && !over && !facts.aborted) {
    return waiting(
      `${there.size} of ${count(facts.shards, "shard")} aggregated`,
      missing.map((shard) => ({
        kind: "aggregate",
        name: String(shard),
        text: `the aggregate of shard ${shard}`,
      })),
      endsAtMs,
      missing.map((shard): Nudge => ({ queue: "shards", message: { type: "aggregate", run, round, shard } })),
    );
  }

  const outcome: Manifest["outcome"] = facts.aborted
    ? "void"
    : empty
      ? "empty"
      : missing.length > 0
        ? "void"
        : "applied";
  const reason = {
    applied: `${count(selection.body.selected.length, "update")} aggregated in ${count(facts.shards, "shard")}`,
    empty: `nothing to aggregate: ${selection.body.reason}`,
    void: facts.aborted
      ? "the operator aborted the round"
      : `${count(missing.length, "shard")} not aggregated in time`,
  }[outcome];
  if (facts.seeds === undefined) return recorded(null, reason);
  const body: Manifest = {
    round,
    asOf: toInstant(asOfMs),
    reason,
    outcome,
    previousManifest: facts.previous.manifest,
    roster: roster.hash,
    cutoff: cutoff.hash,
    close: close.hash,
    selection: selection.hash,
    alpha: roster.body.alpha,
    keep: roster.body.keep,
    aggregates: outcome === "applied" ? [...facts.aggregates].sort((a, b) => a.shard - b.shard) : [],
    missingShards: outcome === "void" ? missing : [],
    baseState: facts.base,
    voidsInRow: outcome === "void" ? facts.previous.voidsInRow + 1 : 0,
  };
  return recorded({ type: "manifest", body }, reason);
}
