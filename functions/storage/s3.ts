/**
 * The object store on S3, and on services that speak its protocol (MinIO, LocalStack, Cloudflare R2): the real thing that
 * the port is written after.
 *
 * A conditional write whose answer is lost is sent again and then meets its own first try: S3 says 412, as if another
 * had been faster. Every write therefore carries an id of its own; whoever reads it back knows which of the two it was.
 *
 * @module
 */
import { DeleteObjectCommand, HeadBucketCommand } from "@aws-sdk/client-s3";
import { OuterloopError } from "../../schemas/errors.ts";
import type { Credentials, ServiceOptions, StoreProfile } from "./aws-clients.ts";
import { toStream } from "./byte-source.ts";
import { checkKey } from "./object-keys.ts";
import type { ObjectStore } from "./object-store.ts";
import { dateOf, headObject, isMissing, openS3Access, reasonOf, type S3Access } from "./s3-access.ts";
import { listPage } from "./s3-listing.ts";
import { MULTIPART_BYTES, putInParts } from "./s3-multipart.ts";
import { openRange } from "./s3-ranges.ts";
import { collect, infoOf, METADATA, openObject, readObject } from "./s3-reading.ts";
import { createS3Tickets } from "./s3-tickets.ts";
import { newWrite, putWhole, type Write } from "./s3-writing.ts";

export interface S3Options extends ServiceOptions {
  bucket: string;
  /** What the service is (`s3`). */
  profile?: StoreProfile | undefined;
  /** Sign upload tickets (`credentials`). */
  uploadCredentials?: Credentials | undefined;
  /** Sign download tickets (`credentials`). */
  readCredentials?: Credentials | undefined;
  /** This machine's clock, milliseconds since 1970 (the system's). */
  now?: (() => number) | undefined;
}

/** Objects that vanish between a 412 and the read that follows, one after the other. */
const MAX_VANISHED = 10;

/**
 * The store in a bucket. Errors are those of the port and of `service-errors.ts`: `store-unreachable`,
 * `store-credentials`, `store-denied`, `store-region`, `store-full`, `store-encryption`, `store-refused`,
 * `no-such-bucket`, `clock-skew`, `object-unreadable`; `checksum-mismatch` for bytes that are not those that were
 * written; `unexpected-answer` for answers that do not fit the question.
 */
export function createS3ObjectStore(options: S3Options): ObjectStore {
  const s3 = openS3Access(options);
  const { client, bucket } = s3;
  const own = options.credentials ?? (() => client.config.credentials());
  let asked: Promise<number> | undefined;
  /** One question for all who ask meanwhile: a batch of tickets asks at once. */
  const askOnce = (): Promise<number> => {
    asked ??= askTime(s3).finally(() => {
      asked = undefined;
    });
    return asked;
  };
  const tickets = createS3Tickets({
    ...options,
    uploadCredentials: options.uploadCredentials ?? own,
    readCredentials: options.readCredentials ?? own,
    storeNow: async () => s3.clock.estimateMs() ?? (await askOnce()),
  });

  /** The etag; null: an object is there. */
  const put = async (key: string, write: Write): Promise<string | null> => {
    if (write.bytes.byteLength <= MULTIPART_BYTES) return putWhole(s3, key, write, { IfNoneMatch: "*" });
    // Looking first spares a handler that repeats itself the sending of all parts.
    return (await headObject(s3, key)) === null ? putInParts(s3, key, write) : null;
  };

  return {
    now: () => askTime(s3),

    async head(key) {
      checkKey(key);
      const answer = await headObject(s3, key);
      return answer && infoOf(key, answer);
    },

    async get(key, { maxBytes } = {}) {
      checkKey(key);
      const read = await readObject(s3, key, maxBytes);
      return read?.object ?? null;
    },

    async range(key, start, end) {
      checkKey(key);
      const opened = await openRange(s3, key, start, end);
      return opened && (await collect(opened));
    },

    async stream(key, { start, end } = {}) {
      checkKey(key);
      const whole = start === undefined && end === undefined;
      const opened = whole ? await openObject(s3, key) : await openRange(s3, key, start ?? 0, end);
      return opened && { info: opened.info, bytes: toStream(opened.source) };
    },

    async putIfAbsent(key, bytes) {
      checkKey(key);
      const write = newWrite(bytes);
      for (let vanished = 0; vanished < MAX_VANISHED; vanished += 1) {
        const etag = await put(key, write);
        if (etag !== null) return { outcome: "created", info: { key, sizeBytes: bytes.byteLength, etag } };
        const standing = await readObject(s3, key);
        // Deleted since: the place is free again.
        if (standing === null) continue;
        if (standing.write !== write.id) return { outcome: "exists", object: standing.object };
        return { outcome: "created", info: standing.object };
      }
      const message = `${key} was there for each of ${MAX_VANISHED} writes and gone for each read: who deletes it?`;
      throw new OuterloopError("store-refused", message, { key });
    },

    async compareAndSwap(key, bytes, etag) {
      checkKey(key);
      const write = newWrite(bytes);
      const condition = etag === null ? ({ IfNoneMatch: "*" } as const) : { IfMatch: `"${etag}"` };
      const written = await putWhole(s3, key, write, condition);
      if (written !== null)
        return { outcome: "swapped", info: { key, sizeBytes: bytes.byteLength, etag: written } };
      const standing = await headObject(s3, key);
      if (standing?.Metadata?.[METADATA.write] !== write.id) return { outcome: "conflict" };
      return { outcome: "swapped", info: infoOf(key, standing) };
    },

    list: (prefix, listOptions) => listPage(s3, prefix, listOptions),

    async delete(key) {
      checkKey(key);
      try {
        await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
      } catch (error) {
        // S3 answers 204 for what is not there; some others say that it is not there.
        if (!isMissing(error)) throw s3.failure("DeleteObject", key, error);
      }
    },

    presignPut: tickets.put,
    presignGet: tickets.get,
  };
}

/** The store's clock, from the answer to a request that reads and costs next to nothing. */
async function askTime(s3: S3Access): Promise<number> {
  const command = new HeadBucketCommand({ Bucket: s3.bucket });
  // Of this very answer: others that come at the same time may bear an earlier date.
  let nowMs: number | null = null;
  command.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      nowMs = dateOf(result.response);
      return result;
    },
    { step: "deserialize", name: "readDate" },
  );
  try {
    await s3.client.send(command);
  } catch (error) {
    const { operation, reason } = await reasonOf(s3, null, error);
    throw s3.failure(operation, null, reason);
  }
  if (nowMs !== null) return nowMs;
  throw new OuterloopError("unexpected-answer", "expected a Date header in the store's answer, got none");
}
