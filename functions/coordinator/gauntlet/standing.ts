/**
 * Standing: a key is on probation until its record is long and good enough. Medians and scales rest on established peers,
 * they come first when not all can be judged or used, and they alone are paid at once.
 *
 * A new key costs nothing, so nothing that a key is given before it is established may be worth having.
 *
 * @module
 */
import { f64FromHex, type KeyStanding, type LedgerEntry } from "../../../schemas/index.ts";

/** Judged to help in so many rounds (noise on probation does so in one of forty) ... */
export const ESTABLISHED_AFTER_ROUNDS = 10;
/** ... and an assignment score of at least this. */
export const ESTABLISHED_ASSIGNMENT = 0.5;

/** The standing that a record gives. */
export function standingOf(record: { helpedRounds: number; assignmentScore: number }): KeyStanding {
  return record.helpedRounds >= ESTABLISHED_AFTER_ROUNDS && record.assignmentScore >= ESTABLISHED_ASSIGNMENT
    ? "established"
    : "probation";
}

/** True for a peer whose record before this round makes it established. */
export function isEstablished(entry: LedgerEntry | undefined): boolean {
  return (
    entry !== undefined &&
    standingOf({ ...entry, assignmentScore: f64FromHex(entry.assignmentScore) }) === "established"
  );
}
