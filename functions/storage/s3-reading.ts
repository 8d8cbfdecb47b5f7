/**
 * Reading objects from S3: never more in memory than asked for, over broken connections, and verified.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { GetObjectCommand, type GetObjectCommandOutput } from "@aws-sdk/client-s3";
import { isOuterloopError, OuterloopError } from "../../schemas/errors.ts";
import type { ByteSource } from "./byte-source.ts";
import type { ObjectInfo, StoredObject } from "./object-store.ts";
import { isMissing, type S3Access } from "./s3-access.ts";
import { statusOf } from "./service-errors.ts";
import { checkSize, wholeSeconds } from "./store-checks.ts";

/** Names of the metadata that every write of ours carries. */
export const METADATA = {
  /** Which write this was: tells one's own first try from another's equal bytes. */
  write: "write",
  /** Of the whole object, in hex: what S3 keeps of a multipart upload is a hash of hashes. */
  sha256: "sha256",
} as const;

/** Connections that broke one after the other without a byte in between. */
const MAX_BREAKS = 3;

/** An object that is being read; its source holds a connection. */
export interface OpenedObject {
  info: ObjectInfo;
  /** {@link METADATA.write}; null: not written by this adapter. */
  write: string | null;
  /** What comes of it: all, or the range. */
  lengthBytes: number;
  /** A whole object is verified at its end: `checksum-mismatch`. */
  source: ByteSource;
}

/** Bytes [start, end); without an end, to the object's. */
interface ByteRange {
  start: number;
  end?: number | undefined;
}

/** The whole object, or a range of it as far as there are any bytes (S3 cuts it at the end). Null: not there. */
export async function openObject(s3: S3Access, key: string, range?: ByteRange): Promise<OpenedObject | null> {
  const answer = await request(s3, key, range);
  if (answer === null) return null;
  const info = infoOf(key, { ...answer, ContentLength: totalBytes(answer) });
  const lengthBytes = answer.ContentLength;
  if (lengthBytes === undefined) {
    bodyOf(answer).destroy();
    throw new OuterloopError("unexpected-answer", `expected the store to say how long ${key} is`, { key });
  }
  const sha256 = range === undefined ? sha256Of(answer) : null;
  return {
    info,
    write: answer.Metadata?.[METADATA.write] ?? null,
    lengthBytes,
    source: readBody(s3, info, bodyOf(answer), { start: range?.start ?? 0, lengthBytes, sha256 }),
  };
}

/** A whole object with its bytes. A damaged or replaced one is read a second time before it is an error. */
export async function readObject(
  s3: S3Access,
  key: string,
  maxBytes?: number,
): Promise<{ object: StoredObject; write: string | null } | null> {
  for (let attempt = 1; ; attempt += 1) {
    const opened = await openObject(s3, key);
    if (opened === null) return null;
    try {
      checkSize(key, opened.info.sizeBytes, maxBytes);
      return { object: { ...opened.info, bytes: await collect(opened) }, write: opened.write };
    } catch (error) {
      await opened.source.close();
      const again = isOuterloopError(error, "checksum-mismatch") || isOuterloopError(error, "object-changed");
      if (!again || attempt === 2) throw error;
    }
  }
}

/** All that comes of an opened object, in one array of exactly that size. */
export async function collect({ lengthBytes, source }: OpenedObject): Promise<Uint8Array> {
  const bytes = new Uint8Array(lengthBytes);
  let at = 0;
  for (let chunk = await source.next(); chunk !== null; chunk = await source.next()) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

/** What S3's answers say of an object. */
export function infoOf(
  key: string,
  answer: { ContentLength?: number | undefined; ETag?: string | undefined; LastModified?: Date | undefined },
): ObjectInfo {
  return {
    key,
    sizeBytes: answer.ContentLength ?? 0,
    etag: unquoted(answer.ETag),
    // Listings of MinIO carry milliseconds, its other answers do not.
    lastModifiedMs: wholeSeconds(answer.LastModified?.getTime() ?? Number.NaN),
  };
}

export function unquoted(etag: string | undefined): string {
  return (etag ?? "").replaceAll('"', "");
}

/** What was asked for, no more and no less. Null: not there, or (with an etag) not this version of it. */
async function request(
  s3: S3Access,
  key: string,
  range?: ByteRange,
  etag?: string,
): Promise<GetObjectCommandOutput | null> {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await requestOnce(s3, key, range, etag);
    if (answer === null || fits(answer, range)) return answer;
    bodyOf(answer).destroy();
    if (attempt === 2) throw misfit(key, range, answer);
  }
}

/**
 * A server may answer a range with the whole, or with another one than was asked for: taken for what was asked, its bytes
 * would be somebody else's place.
 */
function fits(
  { $metadata, ContentRange, ContentLength }: GetObjectCommandOutput,
  range?: ByteRange,
): boolean {
  if (range === undefined) return $metadata.httpStatusCode === 200;
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(ContentRange ?? "")?.map(Number) ?? [];
  if (first === undefined || last === undefined || total === undefined) return false;
  const end = Math.min(range.end ?? total, total);
  return (
    $metadata.httpStatusCode === 206 &&
    first === range.start &&
    last === end - 1 &&
    ContentLength === end - range.start
  );
}

function misfit(key: string, range: ByteRange | undefined, answer: GetObjectCommandOutput): OuterloopError {
  const { $metadata, ContentRange = "none", ContentLength } = answer;
  const [asked, status] =
    range === undefined ? ["the whole", 200] : [`a content-range for ${headerOf(range)}`, 206];
  const message = `expected ${status} and ${asked} of ${key}, got ${$metadata.httpStatusCode}, content-range ${ContentRange}, ${ContentLength} bytes: check the store, and every proxy on the way there`;
  return new OuterloopError("unexpected-answer", message, { key });
}

async function requestOnce(
  s3: S3Access,
  key: string,
  range?: ByteRange,
  etag?: string,
): Promise<GetObjectCommandOutput | null> {
  try {
    return await s3.client.send(
      new GetObjectCommand({
        Bucket: s3.bucket,
        Key: key,
        ...(range === undefined ? {} : { Range: headerOf(range) }),
        ...(etag === undefined ? {} : { IfMatch: `"${etag}"` }),
      }),
    );
  } catch (error) {
    if (isMissing(error) || (etag !== undefined && statusOf(error) === 412)) return null;
    throw s3.failure("GetObject", key, error);
  }
}

/** The body; after a broken connection, that of a request for the rest. */
function readBody(
  s3: S3Access,
  { key, etag }: ObjectInfo,
  first: Readable,
  { start, lengthBytes, sha256 }: { start: number; lengthBytes: number; sha256: string | null },
): ByteSource {
  const hash = createHash("sha256");
  let body = first;
  let pieces: AsyncIterator<Uint8Array> = body[Symbol.asyncIterator]();
  let at = 0;
  let breaks = 0;

  const resume = async (error: unknown): Promise<void> => {
    body.destroy();
    breaks += 1;
    if (breaks > MAX_BREAKS) throw s3.failure("GetObject", key, error);
    const answer = await request(s3, key, { start: start + at, end: start + lengthBytes }, etag);
    if (answer === null) throw changed(key);
    body = bodyOf(answer);
    pieces = body[Symbol.asyncIterator]();
  };

  /** Reads on to the very end of the answer, which gives the connection back. */
  const finish = async (): Promise<void> => {
    try {
      await pieces.next();
    } catch {
      // All bytes are here; a connection that breaks now is nobody's loss.
    }
  };

  const verify = () => {
    if (sha256 === null) return;
    const [expected, got] = [sha256, hash.digest("hex")];
    // Once: who asks again after the end is told that it has ended.
    sha256 = null;
    if (got !== expected) throw damaged(key, expected, got);
  };

  return {
    async next() {
      while (at < lengthBytes) {
        try {
          const { done, value } = await pieces.next();
          if (done === true) throw brokenOff(at, lengthBytes);
          at += value.byteLength;
          breaks = 0;
          if (sha256 !== null) hash.update(value);
          return value;
        } catch (error) {
          await resume(error);
        }
      }
      await finish();
      verify();
      return null;
    },
    async close() {
      at = lengthBytes;
      sha256 = null;
      // Of a body that was read to its end this keeps the connection; of another it closes it.
      if (!body.readableEnded) body.destroy();
    },
  };
}

function headerOf({ start, end }: ByteRange): string {
  return `bytes=${start}-${end === undefined ? "" : end - 1}`;
}

function bodyOf({ Body }: GetObjectCommandOutput): Readable {
  if (Body instanceof Readable) return Body;
  throw new OuterloopError("unexpected-answer", "expected the store to answer GetObject with a body");
}

/** `bytes 0-9/100` of a part, else the length of the whole. */
function totalBytes({ ContentRange, ContentLength }: GetObjectCommandOutput): number | undefined {
  const total = /\/(\d+)$/.exec(ContentRange ?? "")?.[1];
  return total === undefined ? ContentLength : Number(total);
}

/** In hex; null: the object was written by somebody who sent none. */
function sha256Of({ ChecksumSHA256, Metadata }: GetObjectCommandOutput): string | null {
  // `…-3`: a hash of the hashes of three parts.
  if (ChecksumSHA256 !== undefined && !ChecksumSHA256.includes("-")) {
    return Buffer.from(ChecksumSHA256, "base64").toString("hex");
  }
  return Metadata?.[METADATA.sha256] ?? null;
}

function brokenOff(at: number, lengthBytes: number): Error {
  return Object.assign(new Error(`the body ended after ${at} of ${lengthBytes} bytes`), {
    code: "ECONNRESET",
  });
}

/** `object-changed`: what was read is no longer one object. */
export function changed(key: string): OuterloopError {
  const message = `${key} was replaced or deleted while it was read: read it again`;
  return new OuterloopError("object-changed", message, { key });
}

function damaged(key: string, expected: string, got: string): OuterloopError {
  const message = `expected ${key} to have SHA-256 ${expected}, as when it was written, got ${got}: the store or the way damaged it`;
  return new OuterloopError("checksum-mismatch", message, { key, expected, got });
}
