/**
 * A bucket as the S3 adapter's parts use it: the client, the store's clock, and what a failed request means.
 *
 * @module
 */
import { Readable } from "node:stream";
import {
  GetObjectCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListObjectsV2Command,
  type S3Client,
} from "@aws-sdk/client-s3";
import { createS3Client, type ServiceOptions, type StoreProfile } from "./aws-clients.ts";
import { codeOf, isTemporary, serviceError, statusOf } from "./service-errors.ts";

export interface S3Access {
  client: S3Client;
  bucket: string;
  profile: StoreProfile;
  clock: StoreClock;
  /** The typed error for a failed request, to be thrown. */
  failure(operation: string, key: string | null, error: unknown): unknown;
}

/** The store's time, learned from the `Date` of every answer. */
export interface StoreClock {
  /** The store's time now, told from an answer of the last minute; null: there is none. At most a second behind. */
  estimateMs(): number | null;
}

/** An older answer says too little: the machine's clock may have been set, or the process frozen, in between. */
const ESTIMATE_LASTS_MS = 60_000;

export interface S3AccessOptions extends ServiceOptions {
  bucket: string;
  profile?: StoreProfile | undefined;
  /** This machine's clock, milliseconds since 1970 (the system's). */
  now?: (() => number) | undefined;
}

export function openS3Access(options: S3AccessOptions): S3Access {
  const { bucket, endpoint = "AWS", profile = "s3", now = Date.now } = options;
  const client = createS3Client(options);
  askForChecksums(client);
  return {
    client,
    bucket,
    profile,
    clock: trackClock(client, now),
    failure(operation, key, error) {
      const about = key === null ? `bucket ${bucket}` : `${bucket}/${key}`;
      return serviceError(error, { service: "store", operation, about, endpoint });
    },
  };
}

/** True for the store's own word that there is no such object. A 404 alone may be a proxy's, which knows nothing of it. */
export function isMissing(error: unknown): boolean {
  return statusOf(error) === 404 && codeOf(error) === "NoSuchKey";
}

/** What S3 knows of an object; null: not there (nor, perhaps, its bucket: an answer to HEAD does not say). */
export async function headObject(s3: S3Access, key: string): Promise<HeadObjectCommandOutput | null> {
  try {
    return await s3.client.send(new HeadObjectCommand({ Bucket: s3.bucket, Key: key }));
  } catch (error) {
    if (statusOf(error) === 404 && bearsRequestId(error)) return null;
    const { operation, reason } = await reasonOf(s3, key, error);
    if (isMissing(reason)) return null;
    throw s3.failure(operation, key, reason);
  }
}

/** Why HEAD was refused. Its answer has no body and so no reason; a GET that needs the same rights is refused with one. */
export async function reasonOf(
  s3: S3Access,
  key: string | null,
  error: unknown,
): Promise<{ operation: string; reason: unknown }> {
  const unexplained = { operation: key === null ? "HeadBucket" : "HeadObject", reason: error };
  const status = statusOf(error);
  if (status < 400 || isTemporary(status, codeOf(error))) return unexplained;
  try {
    if (key === null) await s3.client.send(new ListObjectsV2Command({ Bucket: s3.bucket, MaxKeys: 1 }));
    else await readOneByte(s3, key);
    return unexplained;
  } catch (reason) {
    // 416: it is there, and empty.
    if (statusOf(reason) === 416) return unexplained;
    return { operation: key === null ? "ListObjectsV2" : "GetObject", reason };
  }
}

async function readOneByte(s3: S3Access, key: string): Promise<void> {
  const command = new GetObjectCommand({ Bucket: s3.bucket, Key: key, Range: "bytes=0-0" });
  const { Body } = await s3.client.send(command);
  if (Body instanceof Readable) Body.destroy();
}

/** Of AWS, MinIO and LocalStack every answer bears one, of a proxy none. Who bears none is asked with GET. */
function bearsRequestId(error: unknown): boolean {
  const { $metadata } = error as { $metadata?: { requestId?: string } };
  return $metadata?.requestId !== undefined;
}

/**
 * Makes the store name the checksum of every object that is read whole. Asked through the SDK's own option it would
 * also be verified by the SDK, a second time, with an error of no type.
 */
function askForChecksums(client: S3Client): void {
  client.middlewareStack.add(
    (next, context) => (args) => {
      const { request } = args;
      if (
        context.commandName === "GetObjectCommand" &&
        hasHeaders(request) &&
        request.headers.range === undefined
      ) {
        request.headers["x-amz-checksum-mode"] = "ENABLED";
      }
      return next(args);
    },
    { step: "build", name: "askForChecksums" },
  );
}

function trackClock(client: S3Client, now: () => number): StoreClock {
  let newest: { storeMs: number; localMs: number } | null = null;
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const storeMs = dateOf(result.response);
      if (storeMs !== null) newest = { storeMs, localMs: now() };
      return result;
    },
    // Next to the socket: before the SDK turns refusals into errors.
    { step: "deserialize", name: "trackClock", priority: "low" },
  );
  return {
    estimateMs() {
      if (newest === null) return null;
      const ageMs = now() - newest.localMs;
      return ageMs >= 0 && ageMs < ESTIMATE_LASTS_MS ? newest.storeMs + ageMs : null;
    },
  };
}

/** The `Date` of an answer, whole seconds in milliseconds; null: it bears none. */
export function dateOf(response: unknown): number | null {
  const dateMs = hasHeaders(response) ? Date.parse(response.headers.date ?? "") : Number.NaN;
  return Number.isNaN(dateMs) ? null : dateMs;
}

function hasHeaders(message: unknown): message is { headers: Record<string, string> } {
  return typeof message === "object" && message !== null && "headers" in message;
}
