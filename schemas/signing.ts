/**
 * Ed25519 signatures over stored objects. What is signed is
 * `"outerloop/v1/" type LF run-id LF hex(SHA-256(body)) LF`; the type comes from the object's key, so a signed
 * intent can never be shown as a commit, nor an object of one run in another.
 *
 * @module
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  sign as ed25519Sign,
  verify as ed25519Verify,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { z } from "zod";
import { canonicalBytes, hashOf, parseCanonical } from "./canonical.ts";
import { OuterloopError } from "./errors.ts";
import { misplaced } from "./keys.ts";
import { publicKeyHex, signatureHex, toHex } from "./primitives.ts";

/** Signed objects are small; anything larger is not one of them. */
export const MAX_OBJECT_BYTES = 64 * 1024 * 1024;

/** A stored object: the body and who signed it. */
export interface Signed<Body> {
  body: Body;
  signatures: { key: string; signature: string }[];
}

const signatures = z
  .array(z.strictObject({ key: publicKeyHex, signature: signatureHex }))
  .min(1)
  .max(8);
/** A schema is compiled when it is first used: one for each body, not one for each object. */
const signedSchemas = new WeakMap<z.ZodType, z.ZodType>();

/** Schema of a stored object around the schema of its body. */
export function signed<Body>(body: z.ZodType<Body>): z.ZodType<Signed<Body>> {
  const known = signedSchemas.get(body) ?? z.strictObject({ body, signatures });
  signedSchemas.set(body, known);
  return known as z.ZodType<Signed<Body>>;
}

/** A private key and the public key that is its identity. */
export interface SigningKey {
  /** 32 bytes; whoever holds them is this identity. */
  readonly seed: Uint8Array;
  readonly publicKey: string;
  readonly privateKeyObject: KeyObject;
}

// RFC 8410 wraps a raw Ed25519 key in these fixed DER prefixes.
const PRIVATE_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
const PUBLIC_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

/** The key that a 32-byte seed stands for; a fresh random one without it. */
export function signingKey(seed: Uint8Array = randomBytes(32)): SigningKey {
  if (seed.length !== 32) {
    throw new OuterloopError("invalid-key", `an Ed25519 seed has 32 bytes, this one has ${seed.length}`);
  }
  const privateKeyObject = createPrivateKey({
    key: Buffer.concat([PRIVATE_PREFIX, seed]),
    format: "der",
    type: "pkcs8",
  });
  const der = createPublicKey(privateKeyObject).export({ format: "der", type: "spki" });
  return { seed, publicKey: toHex(der.subarray(PUBLIC_PREFIX.length)), privateKeyObject };
}

const FIELD_PRIME = 2n ** 255n - 19n;
const ORDER_8_Y = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
/** y-coordinates of the eight points of small order: with them as a key, some verifiers accept every message. */
const SMALL_ORDER_Y = new Set([0n, 1n, FIELD_PRIME - 1n, ORDER_8_Y, FIELD_PRIME - ORDER_8_Y]);

/** Keys that were looked at already, oldest first: a peer's key comes with everything it sends. */
const knownKeys = new Map<string, KeyObject>();
const MOST_KNOWN_KEYS = 16_384;

/** Refuses public keys of small order and non-canonical encodings (`weak-key`). Returns the key for node:crypto. */
export function publicKeyObject(publicKey: string): KeyObject {
  const known = knownKeys.get(publicKey);
  if (known !== undefined) return known;
  const key = importPublicKey(publicKey);
  if (knownKeys.size >= MOST_KNOWN_KEYS) knownKeys.delete(knownKeys.keys().next().value ?? "");
  knownKeys.set(publicKey, key);
  return key;
}

function importPublicKey(publicKey: string): KeyObject {
  const bytes = Buffer.from(publicKey, "hex");
  if (bytes.length !== 32) {
    throw new OuterloopError(
      "invalid-key",
      `an Ed25519 public key has 32 bytes, this one has ${bytes.length}`,
    );
  }
  const y = BigInt(`0x${toHex(Uint8Array.from(bytes).reverse())}`) & (2n ** 255n - 1n);
  if (y >= FIELD_PRIME || SMALL_ORDER_Y.has(y)) {
    throw new OuterloopError("weak-key", `the key ${publicKey} is of small order or not canonical`, {
      publicKey,
    });
  }
  return createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX, bytes]), format: "der", type: "spki" });
}

function signingInput(type: string, run: string, bodyHash: string): Buffer {
  return Buffer.from(`outerloop/v1/${type}\n${run}\n${bodyHash}\n`);
}

/** Signs a body of the given type for a run, by one key or several. */
export function signBody<Body>(type: string, run: string, body: Body, ...keys: SigningKey[]): Signed<Body> {
  const input = signingInput(type, run, hashOf(body));
  return {
    body,
    signatures: keys.map((key) => ({
      key: key.publicKey,
      signature: toHex(ed25519Sign(null, input, key.privateKeyObject)),
    })),
  };
}

/** Canonical bytes of a signed body, ready to be stored. Ed25519 is deterministic: the same call, the same bytes. */
export function signToBytes(type: string, run: string, body: unknown, ...keys: SigningKey[]): Uint8Array {
  return canonicalBytes(signBody(type, run, body, ...keys));
}

/**
 * Parses and verifies a stored object. All of `signers` must have signed; with `anyOf`, one of them must.
 * Typed errors: `malformed`, `not-canonical`, `missing-signature`, `bad-signature`, `weak-key`.
 */
export function verifyBytes<Body>(
  type: string,
  run: string,
  schema: z.ZodType<Body>,
  bytes: Uint8Array,
  signers: { allOf: readonly string[] } | { anyOf: readonly string[] },
): Signed<Body> {
  const object = parseCanonical(signed(schema), bytes, type);
  const input = signingInput(type, run, hashOf(object.body));
  const verified = new Set<string>();
  for (const { key, signature } of object.signatures) {
    if (!ed25519Verify(null, input, publicKeyObject(key), Buffer.from(signature, "hex"))) {
      throw new OuterloopError("bad-signature", `the signature of ${key} on this ${type} does not verify`, {
        key,
      });
    }
    verified.add(key);
  }
  const enough =
    "allOf" in signers
      ? signers.allOf.length > 0 && signers.allOf.every((key) => verified.has(key))
      : signers.anyOf.some((key) => verified.has(key));
  if (!enough) {
    throw new OuterloopError(
      "missing-signature",
      `this ${type} must be signed by ${"allOf" in signers ? "all" : "one"} of ${Object.values(signers).flat().join(", ")}; ` +
        `it is signed by ${[...verified].join(", ")}`,
    );
  }
  return object;
}

/** {@link verifyBytes} for an object under a key: its round, number and signer must be those of the key. */
export function verifyObject<Body>(
  type: string,
  run: string,
  schema: z.ZodType<Body>,
  key: string,
  bytes: Uint8Array,
  signers: { allOf: readonly string[] } | { anyOf: readonly string[] },
): Signed<Body> {
  const object = verifyBytes(type, run, schema, bytes, signers);
  const problem = misplaced(key, object.body);
  if (problem !== null)
    throw new OuterloopError("misplaced-object", `this ${type} does not belong here: ${problem}`);
  return object;
}

/** Derives a named 32-byte secret from another one; used for the keys of a seeded run. */
export function derivedSeed(secret: string, name: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(`outerloop/v1/derive\n${secret}\n${name}\n`).digest());
}
