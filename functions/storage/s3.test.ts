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
/** What a proxy answers, or a sign-in page; well formed or not. */
const PAGES = ["<html><body><h1>Not here</h1><hr></body></html>", "<html><body>Not here</body></html>", ""];
const page = (status: number, html = PAGES[0]) => answer(status, html, { "content-type": "text/html" });
const page200 = page(200);
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

  test("an acknowledgement without an etag is none: whoever gave it wrote nothing", async () => {
    server.script(page200);
    await expect(store.putIfAbsent("a", bytesOf("x"))).rejects.toMatchObject({ code: "unexpected-answer" });
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
    server.script(s3Error(412, "PreconditionFailed"), s3Error(404, "NoSuchKey"));
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
    const digits = bytesOf("0123456789");
    server.script(
      brokenAfter(0, digits, { etag: '"e1"' }),
      brokenAfter(0, digits, { etag: '"e1"', "content-range": "bytes 0-9/10" }),
    );
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

  test("a whole that comes where the rest was asked for is not taken for the rest", async () => {
    const digits = bytesOf("0123456789");
    const headers = { etag: '"e1"' };
    server.script(brokenAfter(4, digits, headers), answer(200, digits, headers));
    await expect(store.get("a")).rejects.toMatchObject({ code: "unexpected-answer" });
    expect(server.received.map(({ headers: { range } }) => range)).toEqual([
      undefined,
      "bytes=4-9",
      "bytes=4-9",
    ]);
  });

  const part = (status: number, text: string, range?: string) =>
    answer(status, text, { etag: '"e1"', ...(range === undefined ? {} : { "content-range": range }) });
  test.each<[string, Answer]>([
    ["the whole", part(200, "0123456789")],
    ["a part of unknown place", part(206, "234")],
    ["another part", part(206, "345", "bytes 3-5/10")],
    ["a shorter part", part(206, "23", "bytes 2-3/10")],
    ["other bytes than it says", part(206, "23", "bytes 2-4/10")],
    ["a part that it calls the whole", part(200, "234", "bytes 2-4/10")],
  ])("%s is no answer to a range: it is asked for again, once", async (_, wrong) => {
    server.script(wrong, part(206, "234", "bytes 2-4/10"));
    expect(textOf(await store.range("a", 2, 5))).toBe("234");
    server.script(wrong, wrong);
    expect(textOf(await store.range("a", 2, 5))).toBe("234");
    await expect(store.range("a", 2, 5)).rejects.toMatchObject({ code: "unexpected-answer" });
    expect(server.received).toHaveLength(5);
  });

  test("a part is no answer to who asks for the whole", async () => {
    server.script(part(206, "0123", "bytes 0-3/10"));
    await expect(store.get("a")).rejects.toMatchObject({ code: "unexpected-answer" });
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

describe("what is not there", () => {
  const reads = [() => store.get("a"), () => store.range("a", 0, 1), () => store.stream("a")];

  test("is what the store says is not there", async () => {
    server.script(s3Error(404, "NoSuchKey"));
    for (const read of reads) expect(await read()).toBeNull();
    await store.delete("a");
  });

  test("is a 404 to HEAD with the id that every answer of S3 bears", async () => {
    server.script(answer(404, "", { "x-amz-request-id": "1" }));
    expect(await store.head("a")).toBeNull();
    expect(methods()).toEqual(["HEAD"]);
  });

  test("is asked for with GET where HEAD's 404 bears none", async () => {
    server.script(answer(404), s3Error(404, "NoSuchKey"));
    expect(await store.head("a")).toBeNull();
    expect(server.received).toMatchObject([
      { method: "HEAD" },
      { method: "GET", headers: { range: "bytes=0-0" } },
    ]);
  });

  test.each(PAGES)("is not what a proxy does not find: %s", async (html) => {
    server.script(page(404, html));
    const calls = [...reads, () => store.head("a"), () => store.delete("a"), () => store.now()];
    for (const call of [...calls, () => store.compareAndSwap("a", bytesOf("x"), "e0")]) {
      await expect(call()).rejects.toMatchObject({ code: "store-unreachable", details: { status: 404 } });
    }
  });
});

describe("an object that was encrypted with its writer's own key", () => {
  const words =
    "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.";
  const invalid = (message: string) =>
    answer(400, `<Error><Code>InvalidRequest</Code><Message>${message}</Message></Error>`);

  test("is unreadable, whatever is asked of it", async () => {
    server.script(invalid(words));
    const reads = [() => store.head("a"), () => store.get("a"), () => store.range("a", 0, 1)];
    for (const read of [...reads, () => store.stream("a"), () => store.putIfAbsent("a", bytesOf("x"))]) {
      await expect(read()).rejects.toMatchObject({ code: "object-unreadable" });
    }
    expect(methods()).toEqual(["HEAD", "GET", "GET", "GET", "GET", "PUT"]);
  });

  test("is not what any other 400 means", async () => {
    server.script(invalid("Some other thing is wrong."));
    await expect(store.get("a")).rejects.toMatchObject({ code: "store-refused" });
    await expect(store.head("a")).rejects.toMatchObject({ code: "store-refused" });
  });

  test.each<[string, Answer]>([
    ["reads it", answer(206, "t", { "content-range": "bytes 0-0/4", etag: '"e1"' })],
    ["finds it empty", s3Error(416, "InvalidRange")],
  ])("is not what a 400 to HEAD means when a GET %s", async (_, got) => {
    server.script(answer(400), got);
    await expect(store.head("a")).rejects.toMatchObject({ code: "store-unreachable" });
  });
});

describe("listing", () => {
  const page = (keys: string[], next?: string, truncated = String(next !== undefined)) =>
    answer(
      200,
      `<ListBucketResult>${truncated === "" ? "" : `<IsTruncated>${truncated}</IsTruncated>`}${
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

  test("a page that is not the last goes on after its last key, token or none", async () => {
    server.script(page(["p/a"], undefined, "true"), page(["p/b"]));
    const first = await store.list("p/");
    expect(first.next).toBe("p/a");
    expect((await store.list("p/", { after: first.next ?? "" })).next).toBeNull();
    expect(server.received[1]?.url).toContain("start-after=p%2Fa");
  });

  test.each([
    ["an empty page that is not the last, and says nothing of the next", page([], undefined, "true")],
    ["a page that does not say whether it is the last", page([], undefined, "")],
  ])("%s is no listing", async (_, answered) => {
    server.script(answered);
    await expect(store.list("p/")).rejects.toMatchObject({ code: "unexpected-answer" });
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
    [400, "TokenRefreshRequired", "store-credentials"],
    [400, "KMS.DisabledException", "store-encryption"],
    [400, "KMS.KMSInvalidStateException", "store-encryption"],
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

  test.each<[number, string]>([
    [400, "ThrottlingException"],
    [400, "RequestTimeout"],
    [400, "KMS.ThrottlingException"],
    [400, "IncompleteBody"],
    [408, "Whatever"],
    [429, "TooManyRequests"],
    [409, "OperationAborted"],
  ])("%i %s is an unreachable store, however often it was repeated", async (status, code) => {
    server.script(s3Error(status, code));
    await expect(put()).rejects.toMatchObject({ code: "store-unreachable", details: { reason: code } });
  });

  test.each([400, 401, 403, 408, 413, 502])(
    "so is a proxy's page with %i, whatever is asked",
    async (status) => {
      for (const html of PAGES) {
        server.script(page(status, html));
        const calls = [put, () => store.get("a"), () => store.list("p/"), () => store.delete("a")];
        for (const call of [...calls, () => store.head("a"), () => store.now()]) {
          await expect(call()).rejects.toMatchObject({ code: "store-unreachable", details: { status } });
        }
      }
    },
  );

  test("so is a sign-in page where a listing was asked for", async () => {
    server.script(page200);
    await expect(store.list("p/")).rejects.toMatchObject({ code: "store-unreachable" });
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

test("tickets that are asked for at once ask for the time once", async () => {
  server.script(answer(200, "", { date: LAST_MODIFIED }));
  await Promise.all(Array.from({ length: 20 }, () => store.presignGet("a", { lifeSeconds: 60 })));
  expect(methods()).toEqual(["HEAD"]);
});
