/**
 * `PUT`, `GET` and `HEAD /objects/{key}?ticket=…`: the embedded stack's side of presigned requests, with the pins and the
 * answers of S3 (one of its limits included: a body is held in memory until its hash is known, so at most the pinned
 * length of it).
 *
 * @module
 */
import { createHash } from "node:crypto";
import { type Context, Hono } from "hono";
import { routePath } from "hono/route";
import { toHex } from "../../schemas/primitives.ts";
import { errorResponse, onTypedError } from "./http-errors.ts";
import { download, quotedEtag } from "./object-download.ts";
import { fromUrlPath } from "./object-keys.ts";
import type { ObjectStore } from "./object-store.ts";
import { checkGetTicket, checkPutTicket, checkSecret, ONCE, type PutPin } from "./tickets.ts";

export interface ObjectRoutesOptions {
  store: ObjectStore;
  /** The secret of the tickets that the store issues. */
  ticketSecret: Uint8Array | string;
  /** The store's clock, milliseconds since 1970 (the system's). */
  now?: () => number;
  /** Keys that anybody may read (none). */
  isPublic?: (key: string) => boolean;
  /** Keys that are created once and never replaced, so that caches may keep them for ever (none). */
  isImmutable?: (key: string) => boolean;
}

/**
 * The routes, to be mounted where the store's `baseUrl` points. Refusals are `{ code, message, details }`:
 * 403 `ticket-missing`, `ticket-forged`, `ticket-expired`, `header-missing`, `length-mismatch`; 400 `invalid-key`,
 * `checksum-mismatch`; 404 `no-such-object`; 412 `already-uploaded` (these very bytes stand there: a success for who
 * repeats an upload) and `already-exists` (other bytes do); 416 `range-not-satisfiable`.
 */
export function objectRoutes(options: ObjectRoutesOptions): Hono {
  const { store, ticketSecret, now = Date.now, isPublic = () => false, isImmutable = () => false } = options;
  checkSecret(ticketSecret);
  const app = new Hono();
  app.onError(onTypedError);

  app.use("/objects/*", async (c, next) => {
    // Deadlines are judged by the store's clock: whoever asks learns it from every answer, refusals included.
    await next();
    c.header("date", new Date(await store.now()).toUTCString());
  });

  app.put("/objects/*", async (c) => {
    const key = keyOf(c);
    const check = checkPutTicket(ticketSecret, key, c.req.query("ticket"), now());
    if (!check.valid) return errorResponse(c, check.reason, check.message);
    const { pin } = check;
    if (c.req.header(ONCE.name) !== ONCE.value) {
      return errorResponse(
        c,
        "header-missing",
        `expected the header ${ONCE.name}: ${ONCE.value}, as in the ticket`,
      );
    }
    // Before a byte is read: the sender's own claim already breaks the pin.
    if (c.req.header("content-length") !== String(pin.sizeBytes)) return lengthMismatch(c, pin);
    const body = await readPinned(c.req.raw, pin.sizeBytes);
    if (body === null) return lengthMismatch(c, pin);
    if (body.sha256 !== pin.sha256) {
      const message = `expected bytes with SHA-256 ${pin.sha256}, got ${body.sha256}: send what the ticket was asked for`;
      return errorResponse(c, "checksum-mismatch", message);
    }
    const put = await store.putIfAbsent(key, body.bytes);
    if (put.outcome === "created")
      return c.json({ key, etag: put.info.etag }, 200, { etag: quotedEtag(put.info) });
    return sha256Of(put.object.bytes) === pin.sha256
      ? errorResponse(
          c,
          "already-uploaded",
          `${key} is already there, with these very bytes: nothing left to do`,
        )
      : errorResponse(c, "already-exists", `${key} is already there, with other bytes; it is never replaced`);
  });

  // Hono answers HEAD with the headers of GET.
  app.get("/objects/*", async (c) => {
    const key = keyOf(c);
    if (!isPublic(key)) {
      const check = checkGetTicket(ticketSecret, key, c.req.query("ticket"), now());
      if (!check.valid) return errorResponse(c, check.reason, check.message);
    }
    return download(c, store, key, isImmutable(key));
  });

  return app;
}

/** The key, from the raw path: Hono's own path is decoded once too often for keys with `%`. */
export function keyOf(c: Context): string {
  const base = routePath(c).slice(0, -1);
  return fromUrlPath(new URL(c.req.url).pathname.slice(base.length));
}

/** The body and its hash; null as soon as it is longer, or at its end shorter, than pinned. */
async function readPinned(
  request: Request,
  sizeBytes: number,
): Promise<{ bytes: Uint8Array; sha256: string } | null> {
  const pieces: Uint8Array[] = [];
  const hash = createHash("sha256");
  let got = 0;
  // Leaving the loop early cancels the stream.
  for await (const piece of request.body ?? []) {
    got += piece.byteLength;
    if (got > sizeBytes) return null;
    hash.update(piece);
    pieces.push(piece);
  }
  return got === sizeBytes ? { bytes: Buffer.concat(pieces), sha256: hash.digest("hex") } : null;
}

function lengthMismatch(c: Context, pin: PutPin): Response {
  const message = `expected a body of ${pin.sizeBytes} bytes, as pinned by the ticket, and a content-length that says so`;
  return errorResponse(c, "length-mismatch", message, { sizeBytes: pin.sizeBytes });
}

function sha256Of(bytes: Uint8Array): string {
  return toHex(createHash("sha256").update(bytes).digest());
}
