/**
 * One conditional write to S3: small objects in one request, large ones in parts.
 *
 * @module
 */
import { createHash, randomUUID } from "node:crypto";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { OuterloopError } from "../../schemas/errors.ts";
import { isMissing, type S3Access } from "./s3-access.ts";
import { METADATA, unquoted } from "./s3-reading.ts";
import { statusOf } from "./service-errors.ts";
import { noSuchObject } from "./store-checks.ts";

/** One write, however often it is sent: its id is how it is known again when an acknowledgement was lost. */
export interface Write {
  id: string;
  bytes: Uint8Array;
  sha256: Buffer;
}

/** Create once, or replace the version with this etag. */
export type Condition = { IfNoneMatch: "*" } | { IfMatch: string };

export function newWrite(bytes: Uint8Array): Write {
  return { id: randomUUID(), bytes, sha256: createHash("sha256").update(bytes).digest() };
}

/** The metadata of a write. */
export function metadataOf(write: Write): Record<string, string> {
  return { [METADATA.write]: write.id, [METADATA.sha256]: write.sha256.toString("hex") };
}

/**
 * Writes in one request; the etag, or null: the condition does not hold (412). That may be this write's own doing: a
 * first try whose acknowledgement was lost. `no-such-object`: the version to replace is gone.
 */
export async function putWhole(
  s3: S3Access,
  key: string,
  write: Write,
  condition: Condition,
): Promise<string | null> {
  let etag: string | undefined;
  try {
    const command = new PutObjectCommand({
      Bucket: s3.bucket,
      Key: key,
      Body: write.bytes,
      ChecksumSHA256: write.sha256.toString("base64"),
      Metadata: metadataOf(write),
      ...condition,
    });
    ({ ETag: etag } = await s3.client.send(command));
  } catch (error) {
    if (statusOf(error) === 412) return null;
    if ("IfMatch" in condition && isMissing(error)) throw noSuchObject(key);
    throw s3.failure("PutObject", key, error);
  }
  if (etag !== undefined) return unquoted(etag);
  const message = `expected the store to answer the write of ${key} with an etag, got none: is this address a store's?`;
  throw new OuterloopError("unexpected-answer", message, { key });
}
