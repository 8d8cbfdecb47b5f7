/**
 * Pay: shares of a key on probation are held back. Once it is established its own share is paid at once, and of what is held a
 * tenth each round: a score that is good for one lucky round must not bring everything. An update that was used unjudged and
 * turns out to be harmful costs its peer what it earned lately. Nothing is lost on the way: paid, held and forfeited
 * together are all the shares a key was ever given.
 *
 * @module
 */
import { f64FromHex, f64ToHex, type KeyStanding, type LedgerEntry } from "../../../schemas/index.ts";

/** Part of what is held that an established key is paid in a round. */
const RELEASED = 1 / 10;
/** A forfeit takes the shares of so many rounds. */
const FORFEIT_ROUNDS = 10;

type Account = Pick<LedgerEntry, "paid" | "held" | "forfeited" | "recentShares">;

export interface RoundPay {
  round: number;
  share: number;
  /** After the round. */
  standing: KeyStanding;
  forfeits: boolean;
}

/** The account after a round; forfeits come before the round's own share. */
export function pay(before: Account | undefined, { round, share, standing, forfeits }: RoundPay): Account {
  let paid = f64FromHex(before?.paid ?? f64ToHex(0));
  let held = f64FromHex(before?.held ?? f64ToHex(0));
  let forfeited = f64FromHex(before?.forfeited ?? f64ToHex(0));
  let recent = before?.recentShares ?? [];
  if (forfeits) {
    const lost = recent.reduce((sum, one) => sum + f64FromHex(one.share), 0);
    const fromHeld = Math.min(held, lost);
    const fromPaid = Math.min(paid, lost - fromHeld);
    held -= fromHeld;
    paid -= fromPaid;
    forfeited += fromHeld + fromPaid;
    recent = [];
  }
  if (standing === "established") {
    const released = RELEASED * held;
    held -= released;
    paid += released + share;
  } else {
    held += share;
  }
  if (share > 0) recent = [...recent, { round, share: f64ToHex(share) }].slice(-FORFEIT_ROUNDS);
  return {
    paid: f64ToHex(paid),
    held: f64ToHex(held),
    forfeited: f64ToHex(forfeited),
    recentShares: [...recent],
  };
}
