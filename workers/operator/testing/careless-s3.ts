/**
 * A server that speaks just enough of S3 to be taken for it and keeps none of its promises: conditions, checksums and
 * signatures are ignored, as some do that call themselves compatible. Its clock can be set, and it can be told to take care.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createAdaptorServer } from "@hono/node-server";

export interface CarelessS3 {
  endpoint: string;
  /** Keys that are there now. */
  keys(): string[];
  close(): Promise<void>;
}

export interface CarelessOptions {
  /** How far its clock is ahead. */
  aheadSeconds?: number;
  /** Honours `If-None-Match` and `If-Match`: then a run can stand on it. */
  conditions?: boolean;
  /** Answers so to whoever comes without a signature. */
  toStrangers?: number;
  /** Lets strangers read below this prefix, all the same. */
  openPrefix?: string;
  /** Refuses a write without a condition, like the policy of a deployed bucket. */
  demandsConditions?: boolean;
}

interface Kept {
  bytes: Uint8Array<ArrayBuffer>;
  metadata: [string, string][];
}

/** Every bucket exists and is the same. */
export async function startCarelessS3(options: CarelessOptions = {}): Promise<CarelessS3> {
  const { aheadSeconds = 0 } = options;
  const objects = new Map<string, Kept>();
  const server = createAdaptorServer({
    fetch: async (request) => {
      const response = refusalOf(objects, request, options) ?? (await answer(objects, request));
      response.headers.set("date", new Date(Date.now() + 1_000 * aheadSeconds).toUTCString());
      return response;
    },
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    keys: () => [...objects.keys()],
    async close() {
      server.close();
      if ("closeAllConnections" in server) server.closeAllConnections();
      await once(server, "close");
    },
  };
}

/** What a server says that takes care of something; null: nothing. */
function refusalOf(
  objects: Map<string, Kept>,
  request: Request,
  { conditions, toStrangers, openPrefix, demandsConditions }: CarelessOptions,
): Response | null {
  const { searchParams } = new URL(request.url);
  const key = keyOf(request);
  const signed = request.headers.has("authorization") || searchParams.has("X-Amz-Signature");
  const open = openPrefix !== undefined && key.startsWith(openPrefix);
  if (toStrangers !== undefined && !signed && !open) return refuse(toStrangers, "AccessDenied");
  if (request.method !== "PUT") return null;
  const [ifNone, ifMatch] = [request.headers.get("if-none-match"), request.headers.get("if-match")];
  if (demandsConditions === true && ifNone === null && ifMatch === null) return refuse(403, "AccessDenied");
  if (conditions !== true) return null;
  const kept = objects.get(key);
  if (ifMatch !== null && kept === undefined) return refuse(404, "NoSuchKey");
  const met = kept === undefined || (ifMatch === null ? ifNone === null : ifMatch === etagOf(kept.bytes));
  return met ? null : refuse(412, "PreconditionFailed");
}

function refuse(status: number, code: string): Response {
  return new Response(`<Error><Code>${code}</Code></Error>`, { status });
}

function keyOf(request: Request): string {
  return decodeURIComponent(new URL(request.url).pathname).split("/").slice(2).join("/");
}

async function answer(objects: Map<string, Kept>, request: Request): Promise<Response> {
  const { searchParams } = new URL(request.url);
  const key = keyOf(request);
  if (key === "") return listing(objects, searchParams.get("prefix") ?? "");
  if (request.method === "PUT") {
    const bytes = new Uint8Array(await request.arrayBuffer());
    objects.set(key, {
      bytes,
      metadata: [...request.headers].filter(([name]) => name.startsWith("x-amz-meta-")),
    });
    return new Response(null, { headers: { etag: etagOf(bytes) } });
  }
  if (request.method === "DELETE") {
    objects.delete(key);
    return new Response(null, { status: 204 });
  }
  const kept = objects.get(key);
  if (kept === undefined) return refuse(404, "NoSuchKey");
  const { bytes, metadata } = kept;
  return new Response(request.method === "HEAD" ? null : bytes, {
    headers: [
      ...metadata,
      ["etag", etagOf(bytes)],
      ["content-length", String(bytes.length)],
      ["last-modified", new Date().toUTCString()],
    ],
  });
}

function listing(objects: Map<string, Kept>, prefix: string): Response {
  const contents = [...objects]
    .filter(([key]) => key.startsWith(prefix))
    .map(
      ([key, { bytes }]) =>
        `<Contents><Key>${key}</Key><Size>${bytes.length}</Size><ETag>${etagOf(bytes)}</ETag>` +
        `<LastModified>${new Date().toISOString()}</LastModified></Contents>`,
    );
  return new Response(
    `<ListBucketResult><IsTruncated>false</IsTruncated>${contents.join("")}</ListBucketResult>`,
  );
}

function etagOf(bytes: Uint8Array): string {
  return `"${createHash("md5").update(bytes).digest("hex")}"`;
}
