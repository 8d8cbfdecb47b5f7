/**
 * The few answers of S3, SQS, the parameter store and STS that functions need, over HTTP, from memory: for starting
 * bundles as they are deployed, on a clock that stands. It checks no signature and knows one bucket; how the adapters get
 * on with the real services is tested elsewhere, against real ones.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface FakeObject {
  bytes: Buffer;
  lastModifiedMs: number;
  /** Checksum and metadata, given back as they came. */
  headers: Record<string, string>;
}

/** A request to a queue, by the names of SQS's own API. */
export interface QueueCall {
  action: string;
  queue: string;
  body: string | undefined;
  reason: string | undefined;
  receipt: string | undefined;
  visibilitySeconds: number | undefined;
}

export interface FakeAws {
  url: string;
  objects: Map<string, FakeObject>;
  /** Parameters by name. */
  secrets: Map<string, string>;
  /** Names of the parameters that somebody asked for. */
  asked: Set<string>;
  calls: QueueCall[];
  /** Roles that sessions were given for. */
  roles: string[];
  close(): Promise<void>;
}

export const BUCKET = "runs";
const KEPT = /^(x-amz-meta-.+|x-amz-checksum-sha256|content-type)$/;

/** `nowMs`: the time of its clock. */
export async function startFakeAws(nowMs: number): Promise<FakeAws> {
  const fake: Omit<FakeAws, "url" | "close"> = {
    objects: new Map(),
    secrets: new Map(),
    asked: new Set(),
    calls: [],
    roles: [],
  };
  const server = createServer((request, response) => {
    response.setHeader("date", new Date(nowMs).toUTCString());
    answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = Buffer.concat(await request.toArray());
    const [service, action = ""] = String(request.headers["x-amz-target"] ?? "").split(".");
    if (service === "AmazonSQS") return json(response, queueAnswer(action, JSON.parse(body.toString())));
    if (service === "AmazonSSM") return parameterAnswer(response, JSON.parse(body.toString()));
    if (/urlencoded/.test(request.headers["content-type"] ?? ""))
      return roleAnswer(response, body.toString());
    return storeAnswer(request, response, body);
  }

  function queueAnswer(action: string, input: Record<string, unknown>): object {
    const text = (name: string) => (typeof input[name] === "string" ? input[name] : undefined);
    const attributes = input.MessageAttributes as { reason?: { StringValue: string } } | undefined;
    const body = text("MessageBody");
    fake.calls.push({
      action,
      queue: new URL(text("QueueUrl") ?? "").pathname.slice(1),
      body,
      reason: attributes?.reason?.StringValue,
      receipt: text("ReceiptHandle"),
      visibilitySeconds: input.VisibilityTimeout as number | undefined,
    });
    if (body === undefined) return {};
    return {
      MessageId: `sent-${fake.calls.length}`,
      MD5OfMessageBody: createHash("md5").update(body).digest("hex"),
    };
  }

  function parameterAnswer(response: ServerResponse, { Name }: { Name: string }): void {
    fake.asked.add(Name);
    const Value = fake.secrets.get(Name);
    if (Value === undefined) json(response, { __type: "ParameterNotFound", message: "" }, 400);
    else json(response, { Parameter: { Name, Value } });
  }

  function roleAnswer(response: ServerResponse, form: string): void {
    const role = new URLSearchParams(form).get("RoleArn") ?? "";
    fake.roles.push(role);
    const expires = new Date(Date.now() + 3_600_000).toISOString();
    response.writeHead(200, { "content-type": "text/xml" }).end(
      `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
       <AccessKeyId>SESSION-OF-${role.split("/").at(-1)}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>
       <SessionToken>token</SessionToken><Expiration>${expires}</Expiration>
       </Credentials></AssumeRoleResult></AssumeRoleResponse>`,
    );
  }

  function storeAnswer(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
    const url = new URL(request.url ?? "/", "http://fake");
    const [, bucket, ...segments] = decodeURIComponent(url.pathname).split("/");
    const key = segments.join("/");
    const standing = fake.objects.get(key);
    if (bucket !== BUCKET) refuse(response, 404, "NoSuchBucket");
    else if (key === "" && request.method === "HEAD") response.end();
    else if (key === "") listing(response, url.searchParams);
    else if (request.method === "PUT") put(request, response, key, body);
    else if (request.method === "DELETE") response.writeHead(fake.objects.delete(key) ? 204 : 404).end();
    else if (standing === undefined) refuse(response, 404, "NoSuchKey");
    else send(request, response, standing);
  }

  function put(request: IncomingMessage, response: ServerResponse, key: string, bytes: Buffer): void {
    const standing = fake.objects.get(key);
    const { "if-none-match": absent, "if-match": etag } = request.headers;
    const isGone = etag !== undefined && standing === undefined;
    const holds =
      absent === "*"
        ? standing === undefined
        : etag === undefined || (standing !== undefined && etagOf(standing.bytes) === etag);
    if (isGone || !holds) {
      refuse(response, isGone ? 404 : 412, isGone ? "NoSuchKey" : "PreconditionFailed");
      return;
    }
    const headers = Object.entries(request.headers).flatMap(([name, value]) =>
      KEPT.test(name) && typeof value === "string" ? [[name, value]] : [],
    );
    fake.objects.set(key, { bytes, lastModifiedMs: nowMs, headers: Object.fromEntries(headers) });
    response.writeHead(200, { etag: etagOf(bytes) }).end();
  }

  function listing(response: ServerResponse, query: URLSearchParams): void {
    const after = query.get("continuation-token") ?? query.get("start-after") ?? "";
    const limit = Number(query.get("max-keys") ?? 1_000);
    const all = [...fake.objects].filter(([key]) => key.startsWith(query.get("prefix") ?? "") && key > after);
    const page = all.sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, limit);
    const contents = page.map(
      ([key, object]) =>
        `<Contents><Key>${encodeURIComponent(key)}</Key><Size>${object.bytes.length}</Size><ETag>${etagOf(object.bytes)}</ETag>` +
        `<LastModified>${new Date(object.lastModifiedMs).toISOString()}</LastModified></Contents>`,
    );
    const isTruncated = page.length < all.length;
    const next = isTruncated ? `<NextContinuationToken>${page.at(-1)?.[0]}</NextContinuationToken>` : "";
    response
      .writeHead(200, { "content-type": "application/xml" })
      .end(
        `<ListBucketResult><IsTruncated>${isTruncated}</IsTruncated>${next}${contents.join("")}</ListBucketResult>`,
      );
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    ...fake,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function send(request: IncomingMessage, response: ServerResponse, object: FakeObject): void {
  const { bytes, lastModifiedMs, headers } = object;
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
  const part = from === undefined ? bytes : bytes.subarray(Number(from), Number(to) + 1);
  response.writeHead(from === undefined ? 200 : 206, {
    ...headers,
    ...(from === undefined ? {} : { "content-range": `bytes ${from}-${to}/${bytes.length}` }),
    etag: etagOf(bytes),
    "last-modified": new Date(lastModifiedMs).toUTCString(),
    "content-length": part.length,
  });
  response.end(request.method === "HEAD" ? undefined : part);
}

function etagOf(bytes: Buffer): string {
  return `"${createHash("md5").update(bytes).digest("hex")}"`;
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response
    .writeHead(status, { "content-type": "application/xml" })
    .end(`<Error><Code>${code}</Code></Error>`);
}

function json(response: ServerResponse, body: object, status = 200): void {
  response.writeHead(status, { "content-type": "application/x-amz-json-1.1" }).end(JSON.stringify(body));
}
