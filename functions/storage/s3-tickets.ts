/**
 * Tickets on S3: presigned requests whose signature covers all that must not be changed.
 *
 * @module
 */
import { GetObjectCommand, PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { OuterloopError } from "../../schemas/errors.ts";
import { type Credentials, createS3Client, type ServiceOptions, type StoreProfile } from "./aws-clients.ts";
import { checkKey } from "./object-keys.ts";
import type { GetPin, Ticket } from "./object-store.ts";
import { type Identity, renewing } from "./renewing-credentials.ts";
import { checkExpiry, checkPin, endOf, type PutPin } from "./tickets.ts";

/** What every upload is: the signature covers it, so that nobody stores a web page in our bucket. */
const CONTENT_TYPE = "application/octet-stream";
/** S3's limit. */
const MAX_TICKET_SECONDS = 7 * 24 * 3600;

export interface S3TicketOptions extends Omit<ServiceOptions, "credentials"> {
  bucket: string;
  profile?: StoreProfile | undefined;
  /** Sign uploads; a role that may put objects under `uploads/` and nothing else is enough. */
  uploadCredentials: Credentials;
  /** Sign downloads. */
  readCredentials: Credentials;
  /** The store's time, milliseconds since 1970. */
  storeNow: () => Promise<number>;
  /** This machine's clock, by which credentials expire (the system's). */
  now?: (() => number) | undefined;
}

export interface S3Tickets {
  put(key: string, pin: PutPin): Promise<Ticket>;
  get(key: string, pin: GetPin): Promise<Ticket>;
}

export function createS3Tickets(options: S3TicketOptions): S3Tickets {
  const { bucket, storeNow, now } = options;
  const uploads = signing(options, renewing(options.uploadCredentials, now));
  const downloads =
    options.readCredentials === options.uploadCredentials
      ? uploads
      : signing(options, renewing(options.readCredentials, now));

  return {
    async put(key, pin) {
      checkKey(key);
      checkPin(pin);
      const { client, identity } = await uploads();
      const life = lifeOf(key, pin.expiresAtMs, await storeNow(), identity);
      const sha256 = Buffer.from(pin.sha256, "hex").toString("base64");
      const command = new PutObjectCommand({
        Bucket: bucket,
        Key: key,
        ContentLength: pin.sizeBytes,
        ContentType: CONTENT_TYPE,
        ChecksumSHA256: sha256,
        IfNoneMatch: "*",
      });
      const url = await getSignedUrl(client, command, {
        ...life.signing,
        // As a query parameter S3 would ignore the checksum.
        unhoistableHeaders: new Set(["x-amz-checksum-sha256"]),
        signableHeaders: new Set(["host", "content-length", "content-type", "if-none-match"]),
      });
      const headers = {
        "content-length": String(pin.sizeBytes),
        "content-type": CONTENT_TYPE,
        "if-none-match": "*",
        "x-amz-checksum-sha256": sha256,
      };
      return { method: "PUT", url, headers, expiresAtMs: life.expiresAtMs };
    },

    async get(key, pin) {
      checkKey(key);
      const { client, identity } = await downloads();
      const nowMs = await storeNow();
      const life = lifeOf(key, endOf(pin, nowMs), nowMs, identity);
      const command = new GetObjectCommand({
        Bucket: bucket,
        Key: key,
        // A signature cannot forbid further headers: an uploader may have called its bytes compressed, and every
        // client that believes it would fail to decode them.
        ResponseContentEncoding: "identity",
      });
      const url = await getSignedUrl(client, command, life.signing);
      return { method: "GET", url, headers: {}, expiresAtMs: life.expiresAtMs };
    },
  };
}

/** A client that signs with one identity; another one for the next identity. */
function signing(
  options: S3TicketOptions,
  identities: () => Promise<Identity>,
): () => Promise<{ client: S3Client; identity: Identity }> {
  let current: { client: S3Client; identity: Identity } | undefined;
  return async () => {
    const identity = await identities();
    if (current?.identity !== identity) {
      current = { client: createS3Client({ ...options, credentials: identity }), identity };
    }
    return current;
  };
}

/**
 * S3 counts whole seconds from the signing date, by its own clock. So the date is the store's time, not ours, and the
 * end is exact or up to a second early; it is never after what was asked for, nor after the credentials' own.
 */
function lifeOf(key: string, expiresAtMs: number, storeNowMs: number, { expiration }: Identity) {
  checkExpiry(key, expiresAtMs, storeNowMs);
  const signedAtMs = Math.floor(storeNowMs / 1000) * 1000;
  const endsAtMs = Math.min(expiresAtMs, expiration?.getTime() ?? Infinity);
  const expiresIn = Math.min(Math.floor((endsAtMs - signedAtMs) / 1000), MAX_TICKET_SECONDS);
  if (expiresIn < 1) {
    const message = `expected a ticket for ${key} to last a whole second, it would end at ${endsAtMs}, now ${storeNowMs}`;
    throw new OuterloopError("ticket-expired", message, { key, expiresAtMs, endsAtMs, nowMs: storeNowMs });
  }
  const signing = { expiresIn, signingDate: new Date(signedAtMs) };
  return { signing, expiresAtMs: signedAtMs + expiresIn * 1000 };
}
