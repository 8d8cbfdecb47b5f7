/**
 * Canonical JSON (RFC 8785) and nothing looser: bytes are accepted only if they equal the canonical form of what
 * was parsed. That closes duplicate keys, 2^53 + 1, -0 and every other way to read one signature in two ways.
 *
 * @module
 */
import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import type { z } from "zod";
import { OuterloopError } from "./errors.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The canonical bytes of a JSON value (no `undefined`, no non-finite numbers). */
export function canonicalBytes(value: unknown): Uint8Array {
  const text = canonicalize(value);
  if (text === undefined) {
    throw new OuterloopError("not-json", `only JSON values have a canonical form, this is ${typeof value}`);
  }
  return encoder.encode(text);
}

/** SHA-256 in lowercase hex. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** SHA-256 of the canonical form: how one object names another. */
export function hashOf(value: unknown): string {
  return sha256(canonicalBytes(value));
}

/**
 * Parses bytes from outside against a schema. `malformed`: not UTF-8 JSON or not what the schema expects;
 * `not-canonical`: right content in other bytes than RFC 8785 gives it.
 */
export function parseCanonical<T>(schema: z.ZodType<T>, bytes: Uint8Array, what: string): T {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch (error) {
    throw new OuterloopError("malformed", `${what} is not UTF-8 JSON: ${String(error)}`, { what }, error);
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    throw new OuterloopError("malformed", `${what} does not fit its schema: ${firstIssues(parsed.error)}`, {
      what,
    });
  }
  // The comparison is against what was parsed, before the schema could have changed anything.
  if (Buffer.compare(canonicalBytes(value), bytes) !== 0) {
    throw new OuterloopError("not-canonical", `${what} must be in RFC 8785 form, byte for byte`, { what });
  }
  return parsed.data;
}

/** One line out of a zod error: the first three issues with their paths. */
export function firstIssues(error: z.ZodError): string {
  return error.issues
    .slice(0, 3)
    .map((issue) => `${issue.path.length > 0 ? `${issue.path.join(".")}: ` : ""}${issue.message}`)
    .join("; ");
}
