/**
 * Whether a revealed seed is the one the genesis committed to: an operator who could choose it would choose the data,
 * the groups and the winners of every tie.
 *
 * @module
 */
import { verifiesLink } from "../../functions/coordinator/seed-chain.ts";
import { type Genesis, OuterloopError } from "../../schemas/index.ts";

/** Checks links in rising order; each costs as many hashes as lie between it and the last one checked. */
export function createSeedCheck({ seedChain }: Genesis): (index: number, link: string) => void {
  let known = { index: 0, link: seedChain.anchor };
  return (index, link) => {
    // An older link (after a restart from an older state) is checked against the anchor once more.
    const base = index >= known.index ? known : { index: 0, link: seedChain.anchor };
    if (!verifiesLink(seedChain.id, index, link, base)) {
      throw new OuterloopError(
        "wrong-seed",
        `the revealed seed is not link ${index} of the chain of this run: its draws cannot be trusted`,
      );
    }
    if (index > known.index) known = { index, link };
  };
}
