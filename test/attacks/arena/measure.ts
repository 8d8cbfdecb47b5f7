/**
 * What an attack came to, against the run of the same honest peers and seed without it.
 *
 * @module
 */
import { f64FromHex, type Receipt } from "../../../schemas/index.ts";
import type { Played } from "./play.ts";

export interface Outcome {
  /** What was said of the attackers' submissions, most frequent first. */
  caughtBy: string[];
  /** Rounds after which nothing of the attackers' was used any more; null: something was to the end. */
  roundsUntilHarmless: number | null;
  heldOutLoss: number;
  cleanHeldOutLoss: number;
  /** Attackers' part of all that was paid. */
  rewardShare: number;
  /** What one honest key was paid on average, as a part of all. */
  honestShare: number;
  /** Rounds in which the unluckiest honest peer was refused or found harmful. */
  honestRefused: number;
  /** Rounds in which the unluckiest honest peer stood back for a copy, its own or another's. */
  honestCopied: number;
  /** Evaluators that were found wrong. */
  evaluatorFaults: number;
}

const HONEST_ROUNDS = 20;
const REFUSED = new Set(["refused", "late", "incomplete"]);

export function outcomeOf(played: Played, clean: Played): Outcome {
  const { attackers, honest, rounds, ledger } = played;
  const isAttacker = new Set(attackers);
  const reasons = new Map<string, number>();
  let lastUsed = 0;
  for (const [i, { receipts }] of rounds.entries()) {
    for (const { peer, verdict, reason } of receipts) {
      if (!isAttacker.has(peer)) continue;
      if (verdict === "selected") lastUsed = i + 1;
      else reasons.set(reason.code, (reasons.get(reason.code) ?? 0) + 1);
    }
  }
  const faults = rounds.flatMap(({ finished }) =>
    finished.selection.body.evaluators.flatMap((one) => one.faults.slice(0, 1)),
  );
  for (const fault of faults) reasons.set(`evaluator ${fault}`, (reasons.get(`evaluator ${fault}`) ?? 0) + 1);
  const paid = (peers: readonly string[]) =>
    peers.reduce((sum, peer) => sum + f64FromHex(ledger.get(peer)?.paid ?? "0".repeat(16)), 0);
  const all = paid([...attackers, ...honest]);
  const unluckiest = (isBad: (receipt: Receipt) => boolean) =>
    Math.max(
      0,
      ...honest.map(
        (peer) =>
          rounds
            .slice(0, HONEST_ROUNDS)
            .filter(({ receipts }) => receipts.some((one) => one.peer === peer && isBad(one))).length,
      ),
    );
  return {
    caughtBy: [...reasons].sort((a, b) => b[1] - a[1]).map(([code]) => code),
    roundsUntilHarmless: lastUsed === rounds.length ? null : lastUsed,
    heldOutLoss: played.heldOut.at(-1) ?? Number.NaN,
    cleanHeldOutLoss: clean.heldOut.at(-1) ?? Number.NaN,
    rewardShare: all === 0 ? 0 : paid(attackers) / all,
    honestShare: all === 0 ? 0 : paid(honest) / all / honest.length,
    honestRefused: unluckiest(
      ({ verdict, reason }) => REFUSED.has(verdict) || reason.code === "loss-score-too-low",
    ),
    honestCopied: unluckiest(({ reason }) => reason.code === "copy"),
    evaluatorFaults: faults.length,
  };
}

/** Middle one, least and greatest. */
export interface Spread {
  median: number;
  least: number;
  greatest: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  return {
    median: sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN,
    least: sorted[0] ?? Number.NaN,
    greatest: sorted.at(-1) ?? Number.NaN,
  };
}
