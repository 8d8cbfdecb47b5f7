import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ObjectStore } from "./object-store.ts";
import { createS3ObjectStore } from "./s3.ts";
import {
  type Answer,
  answer,
  brokenAfter,
  reset,
  type ScriptedServer,
  s3Error,
  startScriptedServer,
} from "./testing/scripted-server.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array | null | undefined) => (bytes ? new TextDecoder().decode(bytes) : null);
const checksumOf = (text: string) => createHash("sha256").update(text).digest("base64");

let server: ScriptedServer;
let store: ObjectStore;
/** What the retries waited; their clock moves by it, and by nothing else. */
let waitsMs: number[];

beforeEach(async () => {
  server = await startScriptedServer();
  waitsMs = [];
  let nowMs = 0;
  store = createS3ObjectStore({
    bucket: "bucket",
    endpoint: server.endpoint,
    region: "us-east-1",
    credentials: { accessKeyId: "id", secretAccessKey: "secret" },
    retryTimes: {
      now: () => nowMs,
      random: () => 1,
      sleep: async (ms) => {
        waitsMs.push(ms);
        nowMs += ms;
      },
    },
  });
});
afterEach(() => server.close());

const LAST_MODIFIED = "Sat, 31 Jan 2026 12:00:00 GMT";
const stored = answer(200, "", { etag: '"e1"' });
/** The object as S3 would give it, whoever wrote it. */
const object = (text: string, headers: Record<string, string> = {}) =>
  answer(200, text, {
    etag: '"e1"',
    "last-modified": LAST_MODIFIED,
    "x-amz-checksum-sha256": checksumOf(text),
    ...headers,
  });
/** What stands there was written by the first request that came. */
const ownObject: Answer = (request, response) => {
  const [first] = server.received;
  const write = String(first?.headers["x-amz-meta-write"]);
  object(textOf(first?.body) ?? "", { "x-amz-meta-write": write })(request, response);
};
const methods = () => server.received.map(({ method }) => method);

describe("creating once", () => {
  test.each<[string, Answer[]]>([
    ["503 SlowDown", [s3Error(503, "SlowDown"), s3Error(503, "SlowDown"), stored]],
    ["500", [s3Error(500, "InternalError"), stored]],
    ["a connection that breaks", [reset, reset, reset, stored]],
    ["409 of two writers that meet", [s3Error(409, "ConditionalRequestConflict"), stored]],
    ["429", [s3Error(429, "TooManyRequests"), stored]],
  ])("is repeated after %s, with the same bytes and the same condition", async (_, answers) => {
    server.script(...answers);
    const put = await store.putIfAbsent("a", bytesOf("text"));
    expect(put).toEqual({ outcome: "created", info: { key: "a", sizeBytes: 4, etag: "e1" } });
    expect(server.received).toHaveLength(answers.length);
    for (const { method, headers, body } of server.received) {
      expect([method, body.toString(), headers["if-none-match"]]).toEqual(["PUT", "text", "*"]);
      expect(headers["x-amz-checksum-sha256"]).toBe(checksumOf("text"));
      expect(headers["x-amz-meta-write"]).toBe(server.received[0]?.headers["x-amz-meta-write"]);
    }
    expect(waitsMs).toHaveLength(answers.length - 1);
  });

  test("412: what stands there is read back", async () => {
    server.script(s3Error(412, "PreconditionFailed"), object("another's"));
    const put = await store.putIfAbsent("a", bytesOf("mine"));
    expect(put.outcome === "exists" && textOf(put.object.bytes)).toBe("another's");
    expect(methods()).toEqual(["PUT", "GET"]);
  });

  test("412 after a lost acknowledgement: what stands there is this very write, so it was created", async () => {
    server.script(reset, s3Error(412, "PreconditionFailed"), ownObject);
    const put = await store.putIfAbsent("a", bytesOf("mine"));
    expect(put).toMatchObject({ outcome: "created", info: { etag: "e1", sizeBytes: 4 } });
    expect(methods()).toEqual(["PUT", "PUT", "GET"]);
  });

  test("412 after a lost request: equal bytes of another write are not this one's", async () => {
    server.script(
      reset,
      s3Error(412, "PreconditionFailed"),
      object("same", { "x-amz-meta-write": "another" }),
    );
    expect((await store.putIfAbsent("a", bytesOf("same"))).outcome).toBe("exists");
  });

  test("412, and gone when it is read: the place is free, so it is written again", async () => {
    server.script(s3Error(412, "PreconditionFailed"), s3Error(404, "NoSuchKey"), stored);
    expect((await store.putIfAbsent("a", bytesOf("x"))).outcome).toBe("created");
    expect(methods()).toEqual(["PUT", "GET", "PUT"]);
  });

  test("a store that says both for ever is given up", async () => {
    const pair = [s3Error(412, "PreconditionFailed"), s3Error(404, "NoSuchKey")];
    server.script(...Array.from({ length: 10 }, () => pair).flat());
    await expect(store.putIfAbsent("a", bytesOf("x"))).rejects.toMatchObject({ code: "store-refused" });
    expect(server.received).toHaveLength(20);
  });
});

describe("compare-and-swap", () => {
  test("412 of another writer is a conflict", async () => {
    server.script(s3Error(412, "PreconditionFailed"), object("", { "x-amz-meta-write": "another" }));
    expect(await store.compareAndSwap("a", bytesOf("x"), "e0")).toEqual({ outcome: "conflict" });
    expect(server.received[0]?.headers["if-match"]).toBe('"e0"');
  });

  test("412 after a lost acknowledgement is this very swap", async () => {
    server.script(reset, s3Error(412, "PreconditionFailed"), ownObject);
    const swap = await store.compareAndSwap("a", bytesOf("x"), "e0");
    expect(swap).toMatchObject({ outcome: "swapped", info: { etag: "e1" } });
    expect(methods()).toEqual(["PUT", "PUT", "HEAD"]);
  });

  test("412, and gone when it is looked at, is a conflict", async () => {
    server.script(s3Error(412, "PreconditionFailed"), answer(404));
    expect(await store.compareAndSwap("a", bytesOf("x"), null)).toEqual({ outcome: "conflict" });
  });

  test("404 is an object that is not there to be replaced", async () => {
    server.script(s3Error(404, "NoSuchKey"));
    await expect(store.compareAndSwap("a", bytesOf("x"), "e0")).rejects.toMatchObject({
      code: "no-such-object",
    });
  });
});

describe("reading", () => {
  test("a body that breaks off goes on where it broke, in the same version of the object", async () => {
    const digits = bytesOf("0123456789");
    const headers = { etag: '"e1"', "x-amz-checksum-sha256": checksumOf("0123456789") };
    server.script(
      brokenAfter(4, digits, headers),
      answer(206, "456789", { etag: '"e1"', "content-range": "bytes 4-9/10" }),
    );
    expect(textOf((await store.get("a"))?.bytes)).toBe("0123456789");
    expect(server.received[1]?.headers).toMatchObject({ range: "bytes=4-9", "if-match": '"e1"' });
  });

  test("one that was replaced meanwhile is read from its beginning", async () => {
    server.script(
      brokenAfter(4, bytesOf("0123456789"), { etag: '"e1"' }),
      s3Error(412, "PreconditionFailed"),
      object("new"),
    );
    expect(textOf((await store.get("a"))?.bytes)).toBe("new");
  });

  test("one that breaks off again and again without a byte is an unreachable store", async () => {
    server.script(brokenAfter(0, bytesOf("0123456789"), { etag: '"e1"' }));
    await expect(store.get("a")).rejects.toMatchObject({ code: "store-unreachable" });
    expect(server.received).toHaveLength(4);
  });

  test("damaged bytes are read again, and an error when they come again", async () => {
    const damaged = object("dAmaged", { "x-amz-checksum-sha256": checksumOf("damaged") });
    server.script(damaged, object("damaged"), damaged);
    expect(textOf((await store.get("a"))?.bytes)).toBe("damaged");
    expect(server.received[0]?.headers["x-amz-checksum-mode"]).toBe("ENABLED");
    await expect(store.get("a")).rejects.toMatchObject({ code: "checksum-mismatch" });
    expect(server.received).toHaveLength(4);
  });

  test("a hash of hashes says nothing of the whole: the metadata does", async () => {
    const sha256 = createHash("sha256").update("parts").digest("hex");
    const headers = { "x-amz-checksum-sha256": `${checksumOf("?")}-2`, "x-amz-meta-sha256": sha256 };
    server.script(object("parts", headers), object("pArts", headers));
    expect(textOf((await store.get("a"))?.bytes)).toBe("parts");
    await expect(store.get("a")).rejects.toMatchObject({ code: "checksum-mismatch" });
  });

  test("a stream of damaged bytes ends with an error", async () => {
    server.script(object("dAmaged", { "x-amz-checksum-sha256": checksumOf("damaged") }));
    const streamed = await store.stream("a");
    await expect(new Response(streamed?.bytes).text()).rejects.toMatchObject({ code: "checksum-mismatch" });
  });

  test("a connection that was read to its end serves the next request, one that was not is closed", async () => {
    server.script(object("0123456789".repeat(50_000)));
    for (let turn = 0; turn < 5; turn += 1) {
      await store.get("a");
      await new Response((await store.stream("a"))?.bytes).text();
    }
    expect(server.connections()).toBe(1);
    await (await store.stream("a"))?.bytes.cancel();
    await store.get("a");
    expect(server.connections()).toBe(2);
  });

  test("an object above the limit is refused before its body is read", async () => {
    let closed = false;
    server.script((_, response) => {
      response.on("close", () => {
        closed = true;
      });
      // The body never comes: whoever waits for it waits for ever.
      response.writeHead(200, { "content-length": "1000000000", etag: '"e1"' });
      response.flushHeaders();
    });
    await expect(store.get("a", { maxBytes: 1000 })).rejects.toMatchObject({
      code: "object-too-large",
      details: { sizeBytes: 1_000_000_000, maxBytes: 1000 },
    });
    await expect.poll(() => closed).toBe(true);
  });

  test("a range that S3 would cut is an error that names the size", async () => {
    const cut = answer(206, "89", { etag: '"e1"', "content-range": "bytes 8-9/10" });
    const head = answer(200, "", { "content-length": "10", etag: '"e1"' });
    server.script(cut, s3Error(416, "InvalidRange"), head);
    for (const [start, end] of [
      [8, 11],
      [10, 12],
    ] as const) {
      await expect(store.range("a", start, end)).rejects.toMatchObject({
        code: "range-not-satisfiable",
        details: { sizeBytes: 10 },
      });
    }
  });
});

describe("listing", () => {
  const page = (keys: string[], next?: string) =>
    answer(
      200,
      `<ListBucketResult><IsTruncated>${next !== undefined}</IsTruncated>${
        next === undefined ? "" : `<NextContinuationToken>${next}</NextContinuationToken>`
      }${keys
        .map(
          (key) =>
            `<Contents><Key>${key}</Key><Size>1</Size><ETag>"e"</ETag><LastModified>2026-01-31T12:00:00.750Z</LastModified></Contents>`,
        )
        .join("")}</ListBucketResult>`,
      { "content-type": "application/xml" },
    );

  test("an empty page that is not the last is followed by the next", async () => {
    server.script(page([], "token-1"), page(["p/a+b%2Bc%25"], "token-2"));
    const { objects, next } = await store.list("p/");
    expect(objects).toEqual([
      { key: "p/a b+c%", sizeBytes: 1, etag: "e", lastModifiedMs: Date.parse("2026-01-31T12:00:00Z") },
    ]);
    expect(next).toBe("p/a b+c%");
    expect(server.received[1]?.url).toContain("continuation-token=token-1");
  });

  test("what comes after every key of the prefix needs no request", async () => {
    server.script(page(["p/a"]));
    expect(await store.list("p/", { after: "q" })).toEqual({ objects: [], next: null });
    expect(server.received).toEqual([]);
    await store.list("p/", { after: "o" });
    expect(server.received[0]?.url).not.toContain("start-after");
  });
});

describe("failures are typed", () => {
  const put = () => store.putIfAbsent("a", bytesOf("x"));

  test.each<[number, string, string]>([
    [403, "InvalidAccessKeyId", "store-credentials"],
    [403, "SignatureDoesNotMatch", "store-credentials"],
    [400, "ExpiredToken", "store-credentials"],
    [403, "AccessDenied", "store-denied"],
    [404, "NoSuchBucket", "no-such-bucket"],
    [403, "RequestTimeTooSkewed", "clock-skew"],
    [507, "XMinioStorageFull", "store-full"],
    [301, "PermanentRedirect", "store-region"],
    [400, "AuthorizationHeaderMalformed", "store-region"],
    [400, "XMinioParentIsObject", "store-refused"],
    [501, "NotImplemented", "store-unsupported"],
  ])("%i %s is %s, without a repetition", async (status, code, expected) => {
    server.script(s3Error(status, code));
    const error = await put().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: expected, details: { status, reason: code } });
    expect(String(error)).toMatch(/expected the store at http.* to answer PutObject of bucket\/a, got \d+ /);
    expect(server.received).toHaveLength(1);
  });

  test("5xx until the deadline is an unreachable store", async () => {
    server.script(s3Error(503, "SlowDown"));
    await expect(put()).rejects.toMatchObject({
      code: "store-unreachable",
      details: { status: 503, reason: "SlowDown", attempts: 7 },
    });
    expect(server.received).toHaveLength(7);
    // A further wait of 5 s would end after the 20 s of the deadline.
    expect(waitsMs).toEqual([500, 1000, 2000, 4000, 5000, 5000]);
  });

  test("nobody at the address is an unreachable store", async () => {
    await server.close();
    await expect(put()).rejects.toMatchObject({
      code: "store-unreachable",
      details: { reason: "ECONNREFUSED" },
    });
    await expect(store.now()).rejects.toMatchObject({ code: "store-unreachable" });
  });

  test("an answer to HEAD has no reason in it: another request asks for it", async () => {
    server.script(answer(403), s3Error(403, "InvalidAccessKeyId"));
    await expect(store.head("a")).rejects.toMatchObject({ code: "store-credentials" });
    expect(methods()).toEqual(["HEAD", "GET"]);
  });

  test("a bucket that is missing is found out by who asks for the time", async () => {
    server.script(answer(404), s3Error(404, "NoSuchBucket"));
    await expect(store.now()).rejects.toMatchObject({ code: "no-such-bucket" });
  });
});

test("the store's time is that of its answer", async () => {
  server.script(answer(200, "", { date: LAST_MODIFIED }));
  expect(await store.now()).toBe(Date.parse(LAST_MODIFIED));
});

test("a ticket counts from the date of any answer of the last minute, and else asks for it", async () => {
  const dated = answer(200, "", { date: LAST_MODIFIED });
  server.script(dated);
  const expiresAtMs = Date.parse(LAST_MODIFIED) + 60_000;
  const pin = { sizeBytes: 1, sha256: "00".repeat(32), expiresAtMs };
  const first = await store.presignPut("a", pin);
  await Promise.all(Array.from({ length: 20 }, () => store.presignPut("a", pin)));
  expect(methods()).toEqual(["HEAD"]);
  expect(new URL(first.url).searchParams.get("X-Amz-Date")).toBe("20260131T120000Z");
});
