/**
 * Aggregating ends with the manifest: every shard of a sum that the guard let pass is there (`applied`), nothing was
 * selected or the guard let nothing pass (`empty`), or the deadline passed or the operator aborted (`void`: parameters
 * unchanged, missing shards named).
 *
 * @module
 */
import { type AggregateSet, type AwaitedThing, type Manifest, toInstant } from "../../schemas/index.ts";
import { deadlineAfter, hasPassed } from "./deadlines.ts";
import { count, type Decision, type Nudge, recorded, waiting } from "./decision.ts";
import type { FactsOf } from "./facts.ts";
import { type GuardOpinion, guardOn } from "./gauntlet/guard.ts";

export function decideAggregate(facts: FactsOf<"aggregate">, asOfMs: number): Decision {
  const { selection, config } = facts;
  const endsAtMs = deadlineAfter(selection.body.asOf, config.windows.aggregationSeconds);
  const over = hasPassed(endsAtMs, asOfMs);
  if (facts.aborted) return published(facts, asOfMs, "void", "the operator aborted the round", []);
  if (selection.body.outcome === "empty")
    return published(facts, asOfMs, "empty", `nothing to aggregate: ${selection.body.reason}`, []);

  const guards: GuardOpinion[] = [];
  for (const set of ["selected", "established"] as const) {
    if (selection.body[set].length === 0) continue;
    const guard = guardOn(set, facts.guards, {
      round: facts.round,
      evaluators: facts.evaluators,
      records: facts.previous.evaluators,
      limitNats: config.gauntlet.guardNats,
    });
    guards.push(guard);
    const verdict = over ? guard.soFar : guard.verdict;
    if (verdict === "refused") continue;
    const missing = missingShards(facts, set);
    if (missing.length === 0 && verdict === "passed") {
      const updates = count(selection.body[set].length, "update");
      const reason = `${updates} aggregated in ${count(facts.shards, "shard")}`;
      return published(facts, asOfMs, "applied", reason, guards, set);
    }
    if (!over) return waitingForSum(facts, set, missing, guard, endsAtMs);
    const reason =
      missing.length > 0
        ? `${count(missing.length, "shard")} not aggregated in time`
        : "the guard has not answered in time";
    return published(facts, asOfMs, "void", reason, guards, null, missing);
  }
  return published(
    facts,
    asOfMs,
    "empty",
    "the guard let no sum pass: it would make the model worse",
    guards,
  );
}

function missingShards(facts: FactsOf<"aggregate">, set: AggregateSet): number[] {
  const there = new Set(facts.aggregates[set].map(({ shard }) => shard));
  return Array.from({ length: facts.shards }, (_, shard) => shard).filter((shard) => !there.has(shard));
}

function waitingForSum(
  facts: FactsOf<"aggregate">,
  set: AggregateSet,
  missing: readonly number[],
  guard: GuardOpinion,
  endsAtMs: number,
): Decision {
  const { run, round } = facts;
  const waitingFor: AwaitedThing[] = missing.map((shard) => ({
    kind: "aggregate",
    name: String(shard),
    text: `the aggregate of shard ${shard}`,
  }));
  const shards = missing.map(
    (shard): Nudge => ({ queue: "shards", message: { type: "aggregate", run, round, shard, set } }),
  );
  const others = guard.reported.slice(0, 2);
  const asked: Nudge[] =
    guard.verdict === "open" ? [{ queue: "jobs", message: { type: "guard", run, round, set, others } }] : [];
  if (asked.length > 0)
    waitingFor.push({ kind: "report", name: "guard", text: "the guard's word on the sum" });
  // The second sum comes up within the phase; so does another opinion on either.
  const followUps = set === "established" ? [...shards, ...asked] : others.length > 0 ? asked : [];
  return waiting(
    `${facts.shards - missing.length} of ${count(facts.shards, "shard")} aggregated`,
    waitingFor,
    endsAtMs,
    [...shards, ...asked, ...lateJobs(facts)],
    followUps,
  );
}

/** Jobs on updates that are used without a judgement: their reports count in the next round. */
function lateJobs({ run, round, close, selection }: FactsOf<"aggregate">): Nudge[] {
  const unjudged = selection.body.selected.filter(({ judged }) => !judged).map(({ peer }) => peer);
  return close.body.plan.jobs
    .filter(({ peers }) => peers.some((peer) => unjudged.includes(peer)))
    .map(({ job }) => ({ queue: "jobs", message: { type: "judge", run, round, job, others: [] } }));
}

function published(
  facts: FactsOf<"aggregate">,
  asOfMs: number,
  outcome: Manifest["outcome"],
  reason: string,
  guards: readonly GuardOpinion[],
  set: AggregateSet | null = null,
  missing: readonly number[] = [],
): Decision {
  const { roster, cutoff, close, selection, round, previous } = facts;
  if (facts.seeds === undefined) return recorded(null, reason);
  const body: Manifest = {
    round,
    asOf: toInstant(asOfMs),
    reason,
    outcome,
    previousManifest: previous.manifest,
    roster: roster.hash,
    cutoff: cutoff.hash,
    close: close.hash,
    selection: selection.hash,
    alpha: roster.body.alpha,
    keep: roster.body.keep,
    set,
    guard: guards.flatMap(({ looked }) => looked),
    aggregates: set === null ? [] : [...facts.aggregates[set]].sort((a, b) => a.shard - b.shard),
    missingShards: [...missing],
    baseState: facts.base,
    voidsInRow: outcome === "void" ? previous.voidsInRow + 1 : 0,
  };
  return recorded({ type: "manifest", body }, reason);
}
