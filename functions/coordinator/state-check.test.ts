import { describe, expect, it } from "vitest";
import { proofRanges, stateHash, stateProof } from "./state-check.ts";
import { digest } from "./testing/facts.ts";

const seed = `${"00".repeat(31)}01`;
const peer = "22".repeat(32);
const slices = [new Uint8Array([1, 2]), new Uint8Array([3])];

describe("the state check", () => {
  it("has the ranges, proofs and hashes of the protocol: changing one of these is a new protocol", () => {
    expect(proofRanges(seed, 421_728)).toEqual(
      [90024, 157394, 3056, 69531, 130043, 320065, 419905, 417838].map((start) => ({
        start,
        end: start + 64,
      })),
    );
    expect(stateProof(seed, peer, slices)).toBe(
      "6762d62f1b1887a6844f7bca113e354c72a161f7876ba7974829e83457e28ad7",
    );
    expect(stateHash(["33".repeat(32), "44".repeat(32)])).toBe(
      "71cdd0136a799e7ef615ddd2aaeee3d0bae2eb8dbcac7b88ceb70ff131ecce55",
    );
  });

  it.each([1, 2, 63, 64, 65, 1_000])("draws slices inside %d parameters", (parameters) => {
    for (const { start, end } of proofRanges(digest("slices"), parameters)) {
      expect(start).toBeGreaterThanOrEqual(0);
      expect(end).toBeLessThanOrEqual(parameters);
      expect(end - start).toBe(Math.min(64, parameters));
    }
  });

  it("gives every peer another proof, so that none can be copied", () => {
    expect(stateProof(seed, peer, slices)).not.toBe(stateProof(seed, "23".repeat(32), slices));
  });

  it("gives another proof for other parameters and for another round", () => {
    const changed = [new Uint8Array([1, 2]), new Uint8Array([4])];
    expect(stateProof(seed, peer, changed)).not.toBe(stateProof(seed, peer, slices));
    expect(stateProof(digest("next"), peer, slices)).not.toBe(stateProof(seed, peer, slices));
  });

  it("names a state by its shards in order", () => {
    const [one, other] = [digest("one"), digest("other")];
    expect(stateHash([one, other])).not.toBe(stateHash([other, one]));
  });
});
