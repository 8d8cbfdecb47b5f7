/**
 * Ranges on S3 as the port wants them: S3 cuts one that reaches past the end, the port calls it an error.
 *
 * @module
 */
import { isOuterloopError } from "../../schemas/errors.ts";
import { headObject, type S3Access } from "./s3-access.ts";
import { changed, infoOf, type OpenedObject, openObject } from "./s3-reading.ts";
import { checkRange } from "./store-checks.ts";

/** Bytes [start, end) of an object, to its end without one. Null: no such object. Throws `range-not-satisfiable`. */
export async function openRange(
  s3: S3Access,
  key: string,
  start: number,
  end?: number,
): Promise<OpenedObject | null> {
  const whole = Number.isSafeInteger(start) && (end === undefined || Number.isSafeInteger(end));
  if (!whole || start < 0 || start >= (end ?? Infinity)) return refuse(s3, key, start, end);
  let opened: OpenedObject | null;
  try {
    opened = await openObject(s3, key, { start, end });
  } catch (error) {
    // 416: it begins past the end.
    if (isOuterloopError(error) && error.details.status === 416) return refuse(s3, key, start, end);
    throw error;
  }
  if (opened === null) return null;
  try {
    checkRange(key, start, end ?? opened.info.sizeBytes, opened.info.sizeBytes);
    return opened;
  } catch (error) {
    await opened.source.close();
    throw error;
  }
}

/** The error names the object's size, and there is none for an object that is not there. */
async function refuse(s3: S3Access, key: string, start: number, end: number | undefined): Promise<null> {
  const answer = await headObject(s3, key);
  if (answer === null) return null;
  const { sizeBytes } = infoOf(key, answer);
  checkRange(key, start, end ?? sizeBytes, sizeBytes);
  // It has grown since it was refused; who asks again gets it.
  throw changed(key);
}
