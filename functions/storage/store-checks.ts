/**
 * The typed errors that the stores share, each with its one wording.
 *
 * @module
 */
import { OuterloopError } from "../../schemas/errors.ts";

/** S3's page. */
export const MAX_PAGE = 1000;

/** `object-too-large`: refused before a byte is read, so that a stranger's object cannot fill the memory. */
export function checkSize(key: string, sizeBytes: number, maxBytes: number | undefined): void {
  if (maxBytes === undefined || sizeBytes <= maxBytes) return;
  const message = `expected at most ${maxBytes} bytes in ${key}, it has ${sizeBytes}`;
  throw new OuterloopError("object-too-large", message, { key, sizeBytes, maxBytes });
}

/** `range-not-satisfiable`: a range must be non-empty and lie inside the object. */
export function checkRange(key: string, start: number, end: number, sizeBytes: number): void {
  const whole = Number.isSafeInteger(start) && Number.isSafeInteger(end);
  if (whole && start >= 0 && start < end && end <= sizeBytes) return;
  const message = `expected a non-empty range inside the ${sizeBytes} bytes of ${key}, got [${start}, ${end})`;
  throw new OuterloopError("range-not-satisfiable", message, { key, start, end, sizeBytes });
}

/** `no-such-object`: a swap names an object to replace, and there is none (S3: 404 on `If-Match`). */
export function noSuchObject(key: string): OuterloopError {
  const message = `${key} does not exist, so it cannot be replaced: read again, or create it with a null etag`;
  return new OuterloopError("no-such-object", message, { key });
}

/** `invalid-option` unless a page holds 1 to {@link MAX_PAGE} objects. */
export function checkPageLimit(limit: number): void {
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= MAX_PAGE) return;
  throw new OuterloopError("invalid-option", `expected a page limit of 1 to ${MAX_PAGE}, got ${limit}`, {
    limit,
  });
}

/** The store's time as S3 shows it: whole seconds, rounded down. */
export function wholeSeconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000) * 1000;
}
