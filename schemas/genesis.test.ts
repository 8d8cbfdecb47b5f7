import { describe, expect, it } from "vitest";
import { testConfig, testData, testGenesis } from "../functions/coordinator/testing/facts.ts";
import { hashOf } from "./canonical.ts";
import { isOuterloopError } from "./errors.ts";
import { type Genesis, genesis, runIdOf, verifyDataIndex, verifyGenesis } from "./genesis.ts";
import { runId } from "./primitives.ts";
import { derivedSeed, signingKey, signToBytes } from "./signing.ts";

const keyOf = (name: string) => signingKey(derivedSeed("tests", name));
const [first, second, stranger] = [keyOf("root-1"), keyOf("root-2"), keyOf("stranger")];
const body: Genesis = { ...testGenesis, roots: [first.publicKey, second.publicKey] };
const run = runIdOf(body);

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return isOuterloopError(error) ? error.code : String(error);
  }
  return "accepted";
}

describe("a genesis", () => {
  it("names its run: the slug and half of its hash", () => {
    expect(run).toBe(`test-${hashOf(body).slice(0, 32)}`);
    expect(runId.safeParse(run).success).toBe(true);
  });

  it("is accepted with the signatures of all roots it names", () => {
    const bytes = signToBytes("genesis", run, body, first, second);
    expect(verifyGenesis(run, bytes)).toEqual({ body, hash: hashOf(body) });
  });

  it("is refused with the signature of one of two roots, or of somebody else", () => {
    for (const holders of [[first], [first, stranger]]) {
      const bytes = signToBytes("genesis", run, body, ...holders);
      expect(codeOf(() => verifyGenesis(run, bytes))).toBe("missing-signature");
    }
  });

  it("is refused under the name of another run, whoever signed it", () => {
    const other: Genesis = { ...body, slug: "other" };
    const bytes = signToBytes("genesis", run, other, first, second);
    expect(codeOf(() => verifyGenesis(run, bytes))).toBe("wrong-genesis");
  });

  it("fixes everything: any other configuration is another run", () => {
    const other: Genesis = { ...body, config: { ...testConfig, rounds: 21 } };
    expect(runIdOf(other)).not.toBe(run);
  });

  it("is refused with nonsense inside", () => {
    for (const nonsense of [
      { ...body, protocol: 2 },
      { ...body, roots: [] },
      { ...body, slug: "A B" },
      { ...body, parameters: 0 },
      { ...body, owner: "me" },
      { ...body, seedChain: { ...body.seedChain, links: 1 } },
      { ...body, keys: { ...body.keys, coordinator: [] } },
    ]) {
      expect(genesis.safeParse(nonsense).success).toBe(false);
    }
  });
});

describe("a data index", () => {
  const bytes = signToBytes("data-index", run, testData, first, second);

  it("is the one that the genesis names, signed by its roots", () => {
    expect(verifyDataIndex(run, body, bytes)).toEqual(testData);
  });

  it("is refused if it is another one, though the roots signed it too", () => {
    const other = { ...testData, heldOut: { start: 3_900, end: 4_000 } };
    const otherBytes = signToBytes("data-index", run, other, first, second);
    expect(codeOf(() => verifyDataIndex(run, body, otherBytes))).toBe("wrong-data-index");
  });

  it("is refused without the signatures of all roots", () => {
    const half = signToBytes("data-index", run, testData, first);
    expect(codeOf(() => verifyDataIndex(run, body, half))).toBe("missing-signature");
  });
});
