/**
 * The operator's secret chain: s_{j-1} = SHA-256("outerloop/v1/seed" LF chain id LF j LF s_j). The genesis publishes
 * s_0; roster(r) reveals s_{2r-1}, after the roster is fixed; close(r) reveals s_{2r}, after submissions are fixed.
 * So nobody can prepare or grind, and everybody can recompute.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { OuterloopError, toHex } from "../../schemas/index.ts";

/** Link that the roster of a round reveals. */
export const rosterLink = (round: number) => 2 * round - 1;
/** Link that the close of a round reveals. */
export const closeLink = (round: number) => 2 * round;

/** s_j -> s_{j-1}. `link` and the result are 32 bytes in hex. */
export function previousLink(chainId: string, j: number, link: string): string {
  const hash = createHash("sha256")
    .update(`outerloop/v1/seed\n${chainId}\n${j}\n`)
    .update(Buffer.from(link, "hex"));
  return toHex(hash.digest());
}

/** True if `link` is s_j of the chain whose s_i is `known` (i <= j). */
export function verifiesLink(
  chainId: string,
  j: number,
  link: string,
  known: { index: number; link: string },
): boolean {
  let current = link;
  for (let at = j; at > known.index; at--) current = previousLink(chainId, at, current);
  return current === known.link;
}

/** The whole chain, for the one process that may reveal it. */
export interface SeedChain {
  readonly id: string;
  /** s_0, public from the start. */
  readonly anchor: string;
  readonly links: number;
  /** s_j, 0 <= j <= links. */
  link(j: number): string;
}

/** Computes the chain from its last link (32 secret bytes in hex). */
export function seedChain(id: string, lastLink: string, links: number): SeedChain {
  const all = new Array<string>(links + 1);
  all[links] = lastLink;
  for (let j = links; j > 0; j--) all[j - 1] = previousLink(id, j, all[j] as string);
  return {
    id,
    anchor: all[0] as string,
    links,
    link(j) {
      const link = all[j];
      if (link === undefined) {
        throw new OuterloopError(
          "seed-chain-exhausted",
          `the seed chain has links 0 to ${links}, asked for ${j}`,
        );
      }
      return link;
    },
  };
}
