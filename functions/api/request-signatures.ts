/**
 * Signed requests: RFC 9421 HTTP Message Signatures with RFC 9530 Content-Digest, Ed25519, tag "outerloop-v1".
 *
 * Every request that writes is a POST with a body and covers method, authority, path, query, digest and type. No
 * nonces: every write is created once by (run, round, peer), so a replay only meets its own answer.
 *
 * @module
 */
import { createHash, sign, verify } from "node:crypto";
import {
  ExpiredError,
  httpbis,
  type SignatureParameters,
  UnacceptableSignatureError,
} from "http-message-signatures";
import { OuterloopError, publicKeyHex, publicKeyObject, type SigningKey } from "../../schemas/index.ts";

const TAG = "outerloop-v1";
const COVERED = ["@method", "@authority", "@path", "@query", "content-digest", "content-type"];
const PARAMETERS = ["created", "expires", "keyid", "tag"];
/** A signature lives at most this long. */
const MAX_AGE_SECONDS = 60;
/** Clocks of honest peers may be this far apart from the API's. */
const TOLERANCE_SECONDS = 30;

export interface SignableRequest {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: Uint8Array;
}

/** RFC 9530: `sha-256=:base64:`. */
export function contentDigest(body: Uint8Array): string {
  return `sha-256=:${createHash("sha256").update(body).digest("base64")}:`;
}

/** The headers to send with a request, signature included. */
export async function signRequest(
  request: SignableRequest,
  key: SigningKey,
  nowMs = Date.now(),
): Promise<Record<string, string>> {
  const headers = { ...request.headers, "content-digest": contentDigest(request.body) };
  const signed = await httpbis.signMessage(
    {
      key: { id: key.publicKey, sign: async (data) => sign(null, data, key.privateKeyObject) },
      name: "outerloop",
      fields: COVERED,
      params: PARAMETERS,
      paramValues: { created: new Date(nowMs), expires: new Date(nowMs + 1_000 * MAX_AGE_SECONDS), tag: TAG },
    },
    { method: request.method, url: request.url, headers },
  );
  return signed.headers as Record<string, string>;
}

/** `unsigned-request`: there is nothing to verify. */
export function requireSignature(headers: Record<string, string>): void {
  if (headers.signature !== undefined && headers["signature-input"] !== undefined) return;
  throw new OuterloopError(
    "unsigned-request",
    "this request must carry Signature and Signature-Input (RFC 9421)",
  );
}

/**
 * Verifies a request and returns the public key that signed it. `authority` comes from configuration, never from the
 * request: a signature for another host is worth nothing here. Typed errors: `unsigned-request`, `stale-signature`,
 * `bad-signature`, `missing-component`, `wrong-digest`, `weak-key`.
 */
export async function verifyRequest(
  request: SignableRequest,
  authority: string,
  nowMs = Date.now(),
): Promise<string> {
  const { headers, body } = request;
  requireSignature(headers);
  if (headers["content-digest"] !== contentDigest(body)) {
    throw new OuterloopError("wrong-digest", "Content-Digest must be the sha-256 of the body (RFC 9530)");
  }
  const url = new URL(request.url);
  const signers: string[] = [];
  let signatures = 0;
  let verified: boolean | null;
  try {
    verified = await httpbis.verifyMessage(
      {
        requiredFields: COVERED,
        requiredParams: PARAMETERS,
        all: true,
        // Times are checked below, with one tolerance for both ends; here they only must not get in the way.
        tolerance: TOLERANCE_SECONDS,
        notAfter: new Date(nowMs + 1_000_000 * MAX_AGE_SECONDS),
        keyLookup: async (parameters) => {
          // Counted before it is looked at: the library swallows the faults of all but the last.
          signatures++;
          checkParameters(parameters, nowMs);
          const signer = publicKeyHex.parse(parameters.keyid);
          const keyObject = publicKeyObject(signer);
          signers.push(signer);
          return { id: signer, verify: async (data, signature) => verify(null, data, keyObject, signature) };
        },
      },
      { method: request.method, url: `${url.protocol}//${authority}${url.pathname}${url.search}`, headers },
    );
  } catch (error) {
    if (error instanceof OuterloopError) throw error;
    throw refusalOf(error);
  }
  const [signer] = signers;
  if (verified !== true || signer === undefined || signatures !== 1) {
    throw new OuterloopError(
      "bad-signature",
      "the signature does not verify: send exactly one, and check key, host and covered components",
    );
  }
  return signer;
}

function checkParameters({ created, expires, tag }: SignatureParameters, nowMs: number): void {
  if (tag !== TAG)
    throw new OuterloopError("bad-signature", `the signature's tag must be ${TAG}, it is ${String(tag)}`);
  // The library gives `created` as a Date and `expires` in seconds.
  const [from, until] = [Number(created), 1_000 * Number(expires)];
  if (!(until - from <= 1_000 * MAX_AGE_SECONDS)) {
    throw new OuterloopError(
      "stale-signature",
      `a signature may live ${MAX_AGE_SECONDS} s, this one claims more`,
    );
  }
  if (until < nowMs - 1_000 * TOLERANCE_SECONDS || from > nowMs + 1_000 * TOLERANCE_SECONDS) {
    throw new OuterloopError(
      "stale-signature",
      `the signature is not valid now (${new Date(nowMs).toISOString()}): sign again, and check the clock`,
    );
  }
}

function refusalOf(error: unknown): OuterloopError {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof ExpiredError)
    return new OuterloopError("stale-signature", `${message}: sign again, and check the clock`);
  if (error instanceof UnacceptableSignatureError) {
    return new OuterloopError(
      "missing-component",
      `the signature must cover ${COVERED.join(", ")}: ${message}`,
    );
  }
  return new OuterloopError("bad-signature", message, {}, error);
}
