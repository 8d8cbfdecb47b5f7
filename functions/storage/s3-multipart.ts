/**
 * A large object to S3 in parts, created once. It appears whole or not at all: parts are no object until the last step.
 *
 * @module
 */
import { createHash } from "node:crypto";
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { OuterloopError } from "../../schemas/errors.ts";
import type { S3Access } from "./s3-access.ts";
import { unquoted } from "./s3-reading.ts";
import { metadataOf, type Write } from "./s3-writing.ts";
import { statusOf } from "./service-errors.ts";

/** Objects above this go in parts: a broken connection then costs a part, not the object. */
export const MULTIPART_BYTES = 64 * 1024 * 1024;
/** S3 takes 5 MiB to 5 GiB a part, at most 10,000 parts: objects of up to 160 GiB, more than fits in memory. */
const PART_BYTES = 16 * 1024 * 1024;
/** Parts on their way at the same time. */
const PARALLEL = 4;

/** Creates in parts; the etag, or null: an object is there (412), perhaps by this write's own first try. */
export async function putInParts(
  s3: S3Access,
  key: string,
  write: Write,
  partBytes = PART_BYTES,
): Promise<string | null> {
  const uploadId = await begin(s3, key, write);
  try {
    const parts = await sendParts(s3, key, uploadId, write.bytes, partBytes);
    const etag = await complete(s3, key, uploadId, parts);
    if (etag === null) await abort(s3, key, uploadId);
    return etag;
  } catch (error) {
    await abort(s3, key, uploadId);
    throw error;
  }
}

async function begin(s3: S3Access, key: string, write: Write): Promise<string> {
  try {
    const { UploadId } = await s3.client.send(
      new CreateMultipartUploadCommand({
        Bucket: s3.bucket,
        Key: key,
        Metadata: metadataOf(write),
        ...(s3.profile === "r2" ? {} : { ChecksumAlgorithm: "SHA256" }),
      }),
    );
    if (UploadId !== undefined) return UploadId;
  } catch (error) {
    throw s3.failure("CreateMultipartUpload", key, error);
  }
  throw new OuterloopError(
    "unexpected-answer",
    "expected the store to name the multipart upload that it began",
  );
}

/** Sends all parts, views of the bytes; after a failure no further part begins. */
async function sendParts(
  s3: S3Access,
  key: string,
  uploadId: string,
  bytes: Uint8Array,
  partBytes: number,
): Promise<CompletedPart[]> {
  const count = Math.ceil(bytes.byteLength / partBytes);
  const parts: CompletedPart[] = [];
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const index = next;
      next += 1;
      const part = bytes.subarray(index * partBytes, (index + 1) * partBytes);
      try {
        parts[index] = await sendPart(s3, key, uploadId, index + 1, part);
      } catch (error) {
        next = count;
        throw s3.failure("UploadPart", key, error);
      }
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: PARALLEL }, worker));
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  return parts;
}

async function sendPart(
  s3: S3Access,
  key: string,
  uploadId: string,
  number: number,
  bytes: Uint8Array,
): Promise<CompletedPart> {
  // R2 answers 501 to a SHA-256 of a part; it checks an MD5 as well as the others do.
  const checksum =
    s3.profile === "r2"
      ? { ContentMD5: digestOf("md5", bytes) }
      : { ChecksumSHA256: digestOf("sha256", bytes) };
  const { ETag } = await s3.client.send(
    new UploadPartCommand({
      Bucket: s3.bucket,
      Key: key,
      UploadId: uploadId,
      PartNumber: number,
      Body: bytes,
      ...checksum,
    }),
  );
  const { ChecksumSHA256 } = { ChecksumSHA256: undefined, ...checksum };
  return { PartNumber: number, ETag, ChecksumSHA256 };
}

/** 404 means that this upload is completed or aborted: a repeated request after a lost answer meets that. */
async function complete(
  s3: S3Access,
  key: string,
  uploadId: string,
  parts: CompletedPart[],
): Promise<string | null> {
  try {
    const { ETag } = await s3.client.send(
      new CompleteMultipartUploadCommand({
        Bucket: s3.bucket,
        Key: key,
        UploadId: uploadId,
        MultipartUpload: { Parts: parts },
        IfNoneMatch: "*",
      }),
    );
    return unquoted(ETag);
  } catch (error) {
    const unknown = error instanceof Error && error.name === "NoSuchUpload";
    if (statusOf(error) === 412 || unknown) return null;
    throw s3.failure("CompleteMultipartUpload", key, error);
  }
}

/** Frees the parts at once. A lifecycle rule frees those of a process that was killed, so a failure here costs little. */
async function abort(s3: S3Access, key: string, uploadId: string): Promise<void> {
  try {
    await s3.client.send(
      new AbortMultipartUploadCommand({ Bucket: s3.bucket, Key: key, UploadId: uploadId }),
    );
  } catch {
    // The error that led here is the one to be told.
  }
}

function digestOf(algorithm: "md5" | "sha256", bytes: Uint8Array): string {
  return createHash(algorithm).update(bytes).digest("base64");
}
