/**
 * The answer to `GET` and `HEAD` of one object: whole or one range, conditional, streamed as fast as the other side takes
 * it.
 *
 * @module
 */
import type { Context } from "hono";
import { errorResponse } from "./http-errors.ts";
import { parseRange } from "./http-range.ts";
import type { ObjectInfo, ObjectStore } from "./object-store.ts";

/** Answers with the object. */
export async function download(
  c: Context,
  store: ObjectStore,
  key: string,
  immutable: boolean,
): Promise<Response> {
  const [asked, known] = [c.req.header("range"), c.req.header("if-none-match")];
  if (asked === undefined && known === undefined && c.req.method === "GET") {
    return (await send(c, store, key, immutable)) ?? missing(c, key);
  }
  // Whoever wants a part, or perhaps nothing, is answered by what is known without reading.
  const info = await store.head(key);
  if (info === null) return missing(c, key);
  const headers = headersOf(info, immutable);
  if (known === headers.etag) return c.body(null, 304, headers);
  const range = parseRange(asked, info.sizeBytes);
  if (range.kind === "unsatisfiable") {
    c.header("content-range", `bytes */${info.sizeBytes}`);
    return errorResponse(c, "range-not-satisfiable", `${key} has ${info.sizeBytes} bytes`);
  }
  const part = range.kind === "part" ? range : undefined;
  if (c.req.method === "HEAD") return answer(c, info, immutable, "", part);
  return (await send(c, store, key, immutable, part)) ?? missing(c, key);
}

/** An entity tag as HTTP writes it. */
export function quotedEtag(info: Pick<ObjectInfo, "etag">): string {
  return `"${info.etag}"`;
}

/** Headers and bytes of one version, so that a swap in between cannot mix two. Null: no such object. */
async function send(
  c: Context,
  store: ObjectStore,
  key: string,
  immutable: boolean,
  part?: { start: number; end: number },
): Promise<Response | null> {
  const object = await store.stream(key, part);
  return object && answer(c, object.info, immutable, object.bytes, part);
}

function answer(
  c: Context,
  info: ObjectInfo,
  immutable: boolean,
  body: ReadableStream<Uint8Array<ArrayBuffer>> | "",
  part?: { start: number; end: number },
): Response {
  const headers = headersOf(info, immutable);
  if (part === undefined) return c.body(body, 200, { ...headers, "content-length": String(info.sizeBytes) });
  return c.body(body, 206, {
    ...headers,
    "content-length": String(part.end - part.start),
    "content-range": `bytes ${part.start}-${part.end - 1}/${info.sizeBytes}`,
  });
}

function headersOf(info: ObjectInfo, immutable: boolean) {
  return {
    "accept-ranges": "bytes",
    "cache-control": immutable ? "public, max-age=31536000, immutable" : "no-cache",
    "content-type": "application/octet-stream",
    etag: quotedEtag(info),
    "last-modified": new Date(info.lastModifiedMs).toUTCString(),
  };
}

function missing(c: Context, key: string): Response {
  return errorResponse(c, "no-such-object", `there is no object ${key}`);
}
