/**
 * Settling ends with the close: a verdict for every commit, norms and clip factors frozen, the evaluation drawn.
 * It is decided from a listing taken after the cutoff, so nothing that was acknowledged can be missing.
 *
 * @module
 */
import {
  type AwaitedThing,
  type Close,
  f32ToHex,
  f64FromHex,
  f64ToHex,
  keys,
  toInstant,
  type VerdictReason,
} from "../../schemas/index.ts";
import { deadlineAfter, hasPassed, isInTime } from "./deadlines.ts";
import { count, type Decision, type Nudge, recorded, short, waiting } from "./decision.ts";
import { evaluationPlan } from "./evaluation-plan.ts";
import type { FactsOf, SettledCommit } from "./facts.ts";
import { clipFactors, type MeasuredNorm, yardstickOf } from "./gauntlet/clip.ts";
import { findClusters } from "./gauntlet/copies.ts";
import { isEstablished } from "./gauntlet/standing.ts";
import { stateProof } from "./state-check.ts";

type Verdict = Close["submissions"][number];
type Refusal = { verdict: Exclude<Verdict["verdict"], "included">; refusal: VerdictReason };

export function decideSettle(facts: FactsOf<"settle">, asOfMs: number): Decision {
  const { cutoff, config } = facts;
  const endsAtMs = deadlineAfter(cutoff.body.asOf, config.windows.checkSeconds);
  const over = hasPassed(endsAtMs, asOfMs);
  const unchecked = facts.commits.filter((one) => one.submission === null && isComplete(one, facts.shards));
  const awaitsState = facts.base === null && facts.baseExpected;
  if (!over && !facts.aborted && (unchecked.length > 0 || awaitsState)) {
    const waitingFor: AwaitedThing[] = unchecked.map(({ peer }) => ({
      kind: "check",
      name: peer,
      text: `checks of ${short(peer)}`,
    }));
    if (awaitsState) {
      waitingFor.push({
        kind: "state",
        name: "",
        text: `the published state of round ${facts.round - 1}`,
      });
    }
    return waiting(
      `${count(unchecked.length, "upload")} not checked yet`,
      waitingFor,
      endsAtMs,
      checkNudges(facts, unchecked),
    );
  }

  const reason = over
    ? `check window over, ${count(unchecked.length, "upload")} not checked`
    : `${count(facts.commits.length, "commit")} settled`;
  if (facts.seeds === undefined) return recorded(null, reason);
  return recorded({ type: "close", body: settle(facts, asOfMs, reason, facts.seeds.close) }, reason);
}

function settle(facts: FactsOf<"settle">, asOfMs: number, reason: string, seed: string): Close {
  const byId = [...facts.commits].sort((a, b) => (a.peer < b.peer ? -1 : 1));
  const gated = byId.map((one) => ({ one, refused: gate(facts, one) }));

  const measured = gated.filter(({ refused }) => refused === null).map(({ one }) => measure(facts, one));
  const yardstick = yardstickOf(measured, facts.previous.medianNorm);
  const { median, lowest, highest } = yardstick ?? {
    median: 0,
    lowest: 0,
    highest: Number.POSITIVE_INFINITY,
  };
  const outliers = new Set(
    measured.filter(({ norm }) => norm > highest || norm < lowest).map(({ peer }) => peer),
  );
  const kept = measured.filter(({ peer }) => !outliers.has(peer));
  const clips = clipFactors(kept, median);

  const submissions: Verdict[] = gated.map(({ one, refused }) => {
    const norm = measured.find(({ peer }) => peer === one.peer)?.norm ?? null;
    const base = { peer: one.peer, commit: one.hash, norm: norm === null ? null : f64ToHex(norm) };
    if (refused !== null) return { ...base, ...refused, clip: null };
    if (outliers.has(one.peer)) {
      const refusal: VerdictReason = {
        code: "norm-out-of-range",
        norm: norm ?? 0,
        median,
        lowest,
        highest,
      };
      return { ...base, verdict: "refused", refusal, clip: null };
    }
    return { ...base, verdict: "included", refusal: null, clip: f32ToHex(clips.get(one.peer) ?? 1) };
  });

  const included = new Map(kept.map((one) => [one.peer, one]));
  const clusters = findClusters(
    byId.flatMap(({ peer, submission }) => {
      const measured = included.get(peer);
      if (submission === null || measured === undefined) return [];
      const { established, weight } = measured;
      return [{ peer, established, weight, decoded: submission.decoded, sketch: submission.sketch }];
    }),
    facts.roster.body.keep,
    seed,
  );
  return {
    round: facts.round,
    asOf: toInstant(asOfMs),
    reason,
    roster: facts.roster.hash,
    cutoff: facts.cutoff.hash,
    seed,
    medianNorm: yardstick === null ? null : f64ToHex(median),
    medianOfEstablished: yardstick?.ofEstablished ?? false,
    submissions,
    clusters,
    plan: evaluationPlan(facts, seed, [...included.keys()], clusters),
  };
}

/** The fast gates, in order; null: this one is well formed, whole, in time and in step. */
function gate(facts: FactsOf<"settle">, one: SettledCommit): Refusal | null {
  const roster = facts.roster.body;
  if (!roster.peers.some(({ peer }) => peer === one.peer)) return refused({ code: "not-in-roster" });
  if (!isInTime(one.storedAtMs, roster.commitBy)) {
    const committedAt = toInstant(one.storedAtMs);
    return { verdict: "late", refusal: { code: "late-commit", committedAt, commitBy: roster.commitBy } };
  }
  const missing = Array.from({ length: facts.shards }, (_, shard) => shard).filter(
    (shard) => !one.uploads.has(shard),
  );
  if (missing.length > 0) {
    const refusal: VerdictReason = facts.cutoff.body.early
      ? { code: "round-closed-early", missingCount: missing.length }
      : {
          code: "incomplete-upload",
          missing: missing.slice(0, 16),
          missingCount: missing.length,
          uploadBy: roster.uploadBy,
        };
    return { verdict: "incomplete", refusal };
  }
  for (const [shard, uploadedAtMs] of one.uploads) {
    if (isInTime(uploadedAtMs, roster.uploadedBy)) continue;
    const uploadedAt = toInstant(uploadedAtMs);
    return {
      verdict: "late",
      refusal: { code: "late-upload", shard, uploadedAt, uploadBy: roster.uploadedBy },
    };
  }
  if (one.submission === null)
    return { verdict: "not-checked", refusal: { code: "not-checked", missing: [] } };
  if (one.submission.refusal !== null) return refused(one.submission.refusal);
  return stateGate(facts, one);
}

function stateGate(facts: FactsOf<"settle">, one: SettledCommit): Refusal | null {
  const { previousManifest, seed } = facts.roster.body;
  if (one.commit.manifest !== previousManifest) {
    return refused({ code: "wrong-manifest", expected: previousManifest, committed: one.commit.manifest });
  }
  // Without the published state nobody can say that a peer is wrong: the gate stays open, the scores decide.
  if (facts.base === null) return null;
  if (one.commit.stateHash !== facts.base.stateHash) {
    return refused({ code: "wrong-state", expected: facts.base.stateHash, committed: one.commit.stateHash });
  }
  if (one.commit.stateProof !== stateProof(seed, one.peer, facts.base.proofSlices)) {
    return refused({ code: "wrong-state-proof" });
  }
  return null;
}

const refused = (refusal: VerdictReason): Refusal => ({ verdict: "refused", refusal });

function isComplete(one: SettledCommit, shards: number): boolean {
  return one.uploads.size >= shards;
}

function measure(facts: FactsOf<"settle">, one: SettledCommit): MeasuredNorm {
  const entry = facts.previous.ledger.get(one.peer);
  return {
    peer: one.peer,
    established: isEstablished(entry),
    weight: Math.max(0, f64FromHex(entry?.lossScore ?? f64ToHex(0))),
    norm: f64FromHex(one.submission?.norm ?? f64ToHex(0)),
    tensors: (one.submission?.tensorSquaredNorms ?? []).map((bits) => Math.sqrt(f64FromHex(bits))),
  };
}

/** The events of uploads whose checks are missing, once more. */
function checkNudges(facts: FactsOf<"settle">, unchecked: readonly SettledCommit[]): Nudge[] {
  return unchecked.flatMap(({ peer, uploads }) =>
    [...uploads.keys()].map(
      (shard): Nudge => ({
        queue: "shards",
        message: { type: "created", key: keys.upload(facts.run, facts.round, peer, shard) },
      }),
    ),
  );
}
