/**
 * How far an evaluator is believed. Evaluators are named by the operator, and still may be lazy, broken or bought: a new
 * one is believed only together with another, and one that was found wrong three times in a hundred rounds not at all.
 *
 * @module
 */
import type { EvaluatorRecord } from "../../../schemas/index.ts";

/** So many jobs must be confirmed by another before one report is enough. */
const TRUSTED_AFTER_JOBS = 5;
/** So many faults ... */
const FAULTS_THAT_END = 3;
/** ... within so many rounds put an evaluator out. */
const FAULT_MEMORY_ROUNDS = 100;

export type EvaluatorTrust = "trusted" | "new" | "out";

/** `record`: undefined for one that was never confirmed nor found wrong. */
export function trustIn(record: EvaluatorRecord | undefined, round: number): EvaluatorTrust {
  const faults = recentFaults(record, round).length;
  if (faults >= FAULTS_THAT_END) return "out";
  return faults === 0 && (record?.confirmed ?? 0) >= TRUSTED_AFTER_JOBS ? "trusted" : "new";
}

/** Rounds with a fault that still count. */
export function recentFaults(record: EvaluatorRecord | undefined, round: number): number[] {
  return (record?.faults ?? []).filter((at) => at > round - FAULT_MEMORY_ROUNDS);
}

/** The records after a round, ascending by id. */
export function evaluatorRecordsAfter(
  before: ReadonlyMap<string, EvaluatorRecord>,
  round: number,
  found: readonly { evaluator: string; confirmed: number; faults: readonly unknown[] }[],
): EvaluatorRecord[] {
  const next = new Map(before);
  for (const { evaluator, confirmed, faults } of found) {
    const record = next.get(evaluator);
    // One bad round is one fault, however many jobs it had: a machine that breaks is not three times as bad.
    const rounds = new Set([...recentFaults(record, round), ...(faults.length > 0 ? [round] : [])]);
    next.set(evaluator, {
      evaluator,
      confirmed: (record?.confirmed ?? 0) + confirmed,
      faults: [...rounds].slice(-FAULTS_THAT_END),
    });
  }
  return [...next.values()].sort((a, b) => (a.evaluator < b.evaluator ? -1 : 1));
}
