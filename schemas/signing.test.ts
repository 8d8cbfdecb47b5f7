import { describe, expect, it } from "vitest";
import { z } from "zod";
import { canonicalBytes } from "./canonical.ts";
import { isOuterloopError } from "./errors.ts";
import { toHex } from "./primitives.ts";
import { derivedSeed, publicKeyObject, signBody, signingKey, signToBytes, verifyBytes } from "./signing.ts";

const keyOf = (name: string) => signingKey(derivedSeed("tests", name));
const [alice, bob, eve] = [keyOf("alice"), keyOf("bob"), keyOf("eve")];
const run = `test-${"0".repeat(32)}`;
const schema = z.strictObject({ round: z.int() });
const byAlice = { allOf: [alice.publicKey] };

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return isOuterloopError(error) ? error.code : String(error);
  }
  return "accepted";
}

const littleEndian = (value: bigint) =>
  toHex(Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n)));
const FIELD_PRIME = 2n ** 255n - 19n;
const SIGN_BIT = 2n ** 255n;

describe("a signed object", () => {
  const bytes = signToBytes("intent", run, { round: 3 }, alice);

  it("is what its signer said", () => {
    expect(verifyBytes("intent", run, schema, bytes, byAlice).body).toEqual({ round: 3 });
  });

  it("has the same bytes whenever it is signed again", () => {
    expect(Buffer.from(signToBytes("intent", run, { round: 3 }, alice))).toEqual(Buffer.from(bytes));
  });

  it("cannot be shown as an object of another type", () => {
    expect(codeOf(() => verifyBytes("commit", run, schema, bytes, byAlice))).toBe("bad-signature");
  });

  it("cannot be shown in another run", () => {
    const other = `test-${"1".repeat(32)}`;
    expect(codeOf(() => verifyBytes("intent", other, schema, bytes, byAlice))).toBe("bad-signature");
  });

  it("cannot be changed", () => {
    const { signatures } = signBody("intent", run, { round: 3 }, alice);
    const tampered = canonicalBytes({ body: { round: 4 }, signatures });
    expect(codeOf(() => verifyBytes("intent", run, schema, tampered, byAlice))).toBe("bad-signature");
  });

  it("cannot be signed under another's name", () => {
    const [{ signature } = { signature: "" }] = signBody("intent", run, { round: 3 }, eve).signatures;
    const forged = canonicalBytes({
      body: { round: 3 },
      signatures: [{ key: alice.publicKey, signature }],
    });
    expect(codeOf(() => verifyBytes("intent", run, schema, forged, byAlice))).toBe("bad-signature");
  });

  it("needs a signature", () => {
    const unsigned = canonicalBytes({ body: { round: 3 }, signatures: [] });
    expect(codeOf(() => verifyBytes("intent", run, schema, unsigned, { anyOf: [] }))).toBe("malformed");
  });

  it("is refused whole if one of its signatures is wrong, though the others would do", () => {
    const { body, signatures } = signBody("intent", run, { round: 3 }, alice);
    const forged = canonicalBytes({
      body,
      signatures: [...signatures, { key: bob.publicKey, signature: "00".repeat(64) }],
    });
    expect(codeOf(() => verifyBytes("intent", run, schema, forged, { anyOf: [alice.publicKey] }))).toBe(
      "bad-signature",
    );
  });

  it("refuses a signature whose scalar is not reduced: it would be a second one of the same words", () => {
    const { body, signatures } = signBody("intent", run, { round: 3 }, alice);
    const [{ signature } = { signature: "" }] = signatures;
    const order = 2n ** 252n + 27_742_317_777_372_353_535_851_937_790_883_648_493n;
    const scalar = BigInt(`0x${toHex(Buffer.from(signature.slice(64), "hex").reverse())}`);
    const malleable = signature.slice(0, 64) + littleEndian(scalar + order);
    const forged = canonicalBytes({ body, signatures: [{ key: alice.publicKey, signature: malleable }] });
    expect(codeOf(() => verifyBytes("intent", run, schema, forged, byAlice))).toBe("bad-signature");
  });
});

describe("who must have signed", () => {
  const both = { allOf: [alice.publicKey, bob.publicKey] };
  const either = { anyOf: [alice.publicKey, bob.publicKey] };
  it.each([
    ["all of two, signed by both", both, [alice, bob], "accepted"],
    ["all of two, signed by both and a third", both, [eve, bob, alice], "accepted"],
    ["all of two, signed by one", both, [alice], "missing-signature"],
    ["all of two, signed twice by one", both, [alice, alice], "missing-signature"],
    ["one of two, signed by the second", either, [bob], "accepted"],
    ["one of two, signed by another", either, [eve], "missing-signature"],
    ["one of nobody", { anyOf: [] }, [alice], "missing-signature"],
  ])("%s", (_, signers, holders, expected) => {
    const bytes = signToBytes("intent", run, { round: 3 }, ...holders);
    expect(codeOf(() => verifyBytes("intent", run, schema, bytes, signers))).toBe(expected);
  });
});

describe("a public key", () => {
  const orderEight = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
  it.each([
    ["the identity", 1n],
    ["the identity with its sign bit set", 1n + SIGN_BIT],
    ["the point of order two", FIELD_PRIME - 1n],
    ["the point of order two with its sign bit set", FIELD_PRIME - 1n + SIGN_BIT],
    ["a point of order four", 0n],
    ["the other point of order four", SIGN_BIT],
    ["a point of order eight", orderEight],
    ["its negative", orderEight + SIGN_BIT],
    ["the second pair of order eight", FIELD_PRIME - orderEight],
    ["its negative", FIELD_PRIME - orderEight + SIGN_BIT],
    ["zero written as the prime", FIELD_PRIME],
    ["the identity written past the prime", FIELD_PRIME + 1n],
    ["the largest number of 255 bits", 2n ** 255n - 1n],
  ])("is refused if it is %s", (_, value) => {
    expect(codeOf(() => publicKeyObject(littleEndian(value)))).toBe("weak-key");
  });

  it("of small order signs nothing here, though Ed25519 would verify it", () => {
    const identity = littleEndian(1n);
    const anything = canonicalBytes({
      body: { round: 3 },
      signatures: [{ key: identity, signature: identity + "00".repeat(32) }],
    });
    expect(codeOf(() => verifyBytes("intent", run, schema, anything, { anyOf: [identity] }))).toBe(
      "weak-key",
    );
  });

  it("follows from its seed (RFC 8032, test 1)", () => {
    const seed = Buffer.from("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "hex");
    expect(signingKey(seed).publicKey).toBe(
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    );
  });

  it("is made of 32 bytes", () => {
    expect(codeOf(() => signingKey(new Uint8Array(31)))).toBe("invalid-key");
    expect(codeOf(() => publicKeyObject("00ff"))).toBe("invalid-key");
  });
});
