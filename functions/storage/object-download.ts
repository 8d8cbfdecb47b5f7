/**
 * The answer to `GET` and `HEAD` of one object: whole or one range, conditional, small or streamed.
 *
 * @module
 */
import type { Context } from "hono";
import { errorResponse } from "./http-errors.ts";
import { parseRange } from "./http-range.ts";
import type { ObjectInfo, ObjectStore } from "./object-store.ts";

/** Larger objects are sent in pieces of this size, so that a slow reader holds no more of one in memory. */
const PIECE_BYTES = 1 << 20;

/** Answers with the object. Hono turns the answer to GET into the one to HEAD by dropping the body. */
export async function download(
  c: Context,
  store: ObjectStore,
  key: string,
  immutable: boolean,
): Promise<Response> {
  const found = await find(store, key);
  if (found === null) return errorResponse(c, "no-such-object", `there is no object ${key}`);
  const { info } = found;
  const headers = {
    "accept-ranges": "bytes",
    "cache-control": immutable ? "public, max-age=31536000, immutable" : "no-cache",
    "content-type": "application/octet-stream",
    etag: quotedEtag(info),
    "last-modified": new Date(info.lastModifiedMs).toUTCString(),
  };
  if (c.req.header("if-none-match") === headers.etag) return c.body(null, 304, headers);

  const range = parseRange(c.req.header("range"), info.sizeBytes);
  if (range.kind === "unsatisfiable") {
    c.header("content-range", `bytes */${info.sizeBytes}`);
    return errorResponse(c, "range-not-satisfiable", `${key} has ${info.sizeBytes} bytes`);
  }
  const { start, end } = range.kind === "part" ? range : { start: 0, end: info.sizeBytes };
  const body =
    found.bytes === null
      ? streamOf(store, key, start, end)
      : new Uint8Array(found.bytes.subarray(start, end));
  const length = { "content-length": String(end - start) };
  if (range.kind === "whole") return c.body(body, 200, { ...headers, ...length });
  const place = { "content-range": `bytes ${start}-${end - 1}/${info.sizeBytes}` };
  return c.body(body, 206, { ...headers, ...length, ...place });
}

/** An entity tag as HTTP writes it. */
export function quotedEtag(info: ObjectInfo): string {
  return `"${info.etag}"`;
}

/** A small object with its bytes from one read, so that a swap in between cannot mix two versions; or a large one's info. */
async function find(
  store: ObjectStore,
  key: string,
): Promise<{ info: ObjectInfo; bytes: Uint8Array | null } | null> {
  const info = await store.head(key);
  if (info === null || info.sizeBytes > PIECE_BYTES) return info && { info, bytes: null };
  const object = await store.get(key);
  return object && { info: object, bytes: object.bytes };
}

/** A large object piece by piece, read as fast as the other side takes it. Only small objects are ever replaced. */
function streamOf(store: ObjectStore, key: string, start: number, end: number): ReadableStream {
  let at = start;
  return new ReadableStream({
    async pull(controller) {
      const to = Math.min(at + PIECE_BYTES, end);
      const piece = await store.range(key, at, to);
      // Gone in the middle: break the connection, so that the reader does not take a part for the whole.
      if (piece === null) throw new Error(`${key} was deleted while it was sent`);
      controller.enqueue(piece);
      at = to;
      if (at === end) controller.close();
    },
  });
}
