import { describe, expect, it } from "vitest";
import { isOuterloopError } from "../../schemas/index.ts";
import { closeLink, previousLink, rosterLink, seedChain, verifiesLink } from "./seed-chain.ts";
import { digest } from "./testing/facts.ts";

const id = "11".repeat(32);
const last = `${"00".repeat(31)}01`;
const chain = seedChain(id, last, 12);

describe("the seed chain", () => {
  it("has the links of the protocol: changing one of these is a new protocol", () => {
    expect(previousLink(id, 7, last)).toBe(
      "b79769381d990aec6dc9b5cf1aa23b4892b49f6a489d03ea77412447a72ebeef",
    );
    expect(seedChain(id, last, 4).anchor).toBe(
      "0be2f3e653332899b1a0026b1337c3fb8ac92ecdfc4a43862df44714b77438fb",
    );
  });

  it("reveals two links a round, the roster's before the close's", () => {
    expect([1, 2, 3].map((round) => [rosterLink(round), closeLink(round)])).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
  });

  it("lets everybody check each link against the anchor, and against any link before it", () => {
    const anchor = { index: 0, link: chain.anchor };
    for (let j = 0; j <= 12; j++) {
      expect(verifiesLink(id, j, chain.link(j), anchor)).toBe(true);
      if (j > 2) expect(verifiesLink(id, j, chain.link(j), { index: 2, link: chain.link(2) })).toBe(true);
    }
  });

  it("shows no link as another one, nor a made-up one, nor one of another chain", () => {
    const anchor = { index: 0, link: chain.anchor };
    expect(verifiesLink(id, 3, chain.link(4), anchor)).toBe(false);
    expect(verifiesLink(id, 4, chain.link(3), anchor)).toBe(false);
    expect(verifiesLink(id, 4, digest("made up"), anchor)).toBe(false);
    const other = seedChain("22".repeat(32), last, 12);
    expect(verifiesLink(id, 4, other.link(4), anchor)).toBe(false);
  });

  it.each([13, -1, 1.5])("has an end, and says so: link %d", (j) => {
    let caught: unknown;
    try {
      chain.link(j);
    } catch (error) {
      caught = error;
    }
    expect(isOuterloopError(caught, "seed-chain-exhausted")).toBe(true);
  });
});
