/**
 * What a key may be, and the three forms it takes: text, bytes (for order), and a URL path.
 *
 * S3 sorts keys by their UTF-8 bytes. JavaScript sorts strings by UTF-16 units, which differs above U+FFFF, so
 * everything that orders keys works on *byte strings*: one character (0 to 255) per byte, compared with `<`.
 *
 * @module
 */
import { OuterloopError } from "../../schemas/errors.ts";

/** S3's limit. */
const MAX_KEY_BYTES = 1024;

/** A key as its UTF-8 bytes, one character per byte: `<` on these is the order of a listing. */
export type ByteString = string;

/**
 * Throws `invalid-key` unless `key` is a non-empty path of UTF-8 segments: no leading, trailing or double slash, no
 * `.` or `..` (HTTP clients resolve them before sending, so another object would be asked for), no control
 * characters (a listing in XML cannot hold them, and a ticket's fields are separated by line feeds).
 */
export function checkKey(key: string): void {
  const problem = problemOf(key);
  if (problem === null) return;
  throw new OuterloopError("invalid-key", `expected an object key, got ${JSON.stringify(key)}: ${problem}`, {
    key,
  });
}

function problemOf(key: string): string | null {
  if (!key.isWellFormed()) return "it is no well-formed Unicode";
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) return `it is longer than ${MAX_KEY_BYTES} bytes`;
  if (/\p{Cc}/u.test(key)) return "it holds a control character";
  for (const segment of key.split("/")) {
    if (segment === "") return "it has an empty segment (or a slash at an end)";
    if (segment === "." || segment === "..") return "it has a segment of dots only";
  }
  return null;
}

/** Throws `invalid-key` for a prefix that no key can begin with. The empty prefix and one that ends in `/` are fine. */
export function checkPrefix(prefix: string): void {
  if (prefix.isWellFormed() && !prefix.startsWith("/") && !prefix.includes("//") && !/\p{Cc}/u.test(prefix))
    return;
  throw new OuterloopError("invalid-key", `expected the beginning of a key, got ${JSON.stringify(prefix)}`, {
    prefix,
  });
}

/** Key -> bytes in one character each. */
export function toByteString(key: string): ByteString {
  return Buffer.from(key, "utf8").toString("latin1");
}

/** The inverse of {@link toByteString}. */
export function fromByteString(bytes: ByteString): string {
  return Buffer.from(bytes, "latin1").toString("utf8");
}

/** Key -> path of a URL: every segment percent-encoded, slashes kept. */
export function toUrlPath(key: string): string {
  return key.split("/").map(encodeURIComponent).join("/");
}

/** The inverse of {@link toUrlPath}; throws `invalid-key` for a broken escape. */
export function fromUrlPath(path: string): string {
  let key: string;
  try {
    key = decodeURIComponent(path);
  } catch (error) {
    throw new OuterloopError(
      "invalid-key",
      `expected percent-encoded UTF-8, got ${JSON.stringify(path)}`,
      { path },
      error,
    );
  }
  checkKey(key);
  return key;
}
