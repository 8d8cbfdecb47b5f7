/**
 * A server that speaks just enough of S3 to be taken for it and keeps none of its promises: conditions, checksums and
 * signatures are ignored, as some do that call themselves compatible. Its clock can be set.
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
}

interface Kept {
  bytes: Uint8Array<ArrayBuffer>;
  metadata: [string, string][];
}

/** Every bucket exists and is the same. */
export async function startCarelessS3({ aheadSeconds = 0 }: CarelessOptions = {}): Promise<CarelessS3> {
  const objects = new Map<string, Kept>();
  const server = createAdaptorServer({
    fetch: async (request) => {
      const response = await answer(objects, request);
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

async function answer(objects: Map<string, Kept>, request: Request): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  const key = decodeURIComponent(pathname).split("/").slice(2).join("/");
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
  if (kept === undefined) return new Response("<Error><Code>NoSuchKey</Code></Error>", { status: 404 });
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
