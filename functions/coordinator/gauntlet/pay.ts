/**
 * Pay: shares of a key on probation are held back. Once it is established its own share is paid at once, and of what is held a
 * tenth in each round that it helps in: a score that is good for one lucky round must not bring everything. An update that was used unjudged and
 * turns out to be harmful costs its peer what is held and what it earned lately. Nothing is lost on the way: paid, held and forfeited
 * together are all the shares a key was ever given.
 *
 * @module
 */
import { f64FromHex, f64ToHex, type KeyStanding, type LedgerEntry } from "../../../schemas/index.ts";

/** Part of what is held that an established key is paid in a round. */
const RELEASED = 1 / 10;
/** A forfeit takes the shares of so many rounds. */
const FORFEIT_ROUNDS = 10;

export type Account = Pick<LedgerEntry, "paid" | "held" | "forfeited" | "recentShares">;

export interface RoundPay {
  round: number;
  share: number;
  /** After the round. */
  standing: KeyStanding;
  /** Its update was judged to help: who only announces itself is paid nothing of what is held. */
  helped: boolean;
}

/** The account after a round that the peer was in. */
export function pay(before: Account | undefined, { round, share, standing, helped }: RoundPay): Account {
  const held = f64FromHex(before?.held ?? f64ToHex(0));
  const paid = f64FromHex(before?.paid ?? f64ToHex(0));
  const established = standing === "established";
  const released = established && helped ? RELEASED * held : 0;
  const recent = before?.recentShares ?? [];
  return {
    paid: f64ToHex(established ? paid + (released + share) : paid),
    held: f64ToHex(established ? held - released : held + share),
    forfeited: before?.forfeited ?? f64ToHex(0),
    recentShares:
      share > 0 ? [...recent, { round, share: f64ToHex(share) }].slice(-FORFEIT_ROUNDS) : [...recent],
  };
}

/** The account after a forfeit: without what is held, and without as much of what was paid as the last rounds brought. */
export function forfeit(before: Account): Account {
  const [paid, held, forfeited] = [before.paid, before.held, before.forfeited].map(f64FromHex) as [
    number,
    number,
    number,
  ];
  const lost = before.recentShares.reduce((sum, one) => sum + f64FromHex(one.share), 0);
  const fromPaid = Math.min(paid, lost);
  return {
    paid: f64ToHex(paid - fromPaid),
    held: f64ToHex(0),
    forfeited: f64ToHex(forfeited + (held + fromPaid)),
    recentShares: [],
  };
}
