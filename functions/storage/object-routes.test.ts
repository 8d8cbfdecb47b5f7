import { createHash } from "node:crypto";
import { Hono } from "hono";
import { describe, expect, test } from "vitest";
import { createManualClock } from "./contract-harness.ts";
import { createMemoryObjectStore } from "./memory-object-store.ts";
import { objectRoutes } from "./object-routes.ts";
import type { Ticket } from "./object-store.ts";

const ticketSecret = "a secret of the test suite";
const bytesOf = (text: string) => new TextEncoder().encode(text);
const sha256Of = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

function setUp(mount = "") {
  const clock = createManualClock();
  const store = createMemoryObjectStore({ ticketSecret, baseUrl: `http://api.test${mount}`, now: clock.now });
  const isPublic = (key: string) => key.startsWith("public/");
  const isImmutable = (key: string) => isPublic(key) && !key.endsWith("head.json");
  const routes = objectRoutes({ store, ticketSecret, now: clock.now, isPublic, isImmutable });
  const app = new Hono().route(mount === "" ? "/" : mount, routes);
  const ticketFor = (key: string, bytes: Uint8Array) =>
    store.presignPut(key, {
      sizeBytes: bytes.byteLength,
      sha256: sha256Of(bytes),
      expiresAtMs: clock.now() + 1000,
    });
  const put = (ticket: Ticket, body: Uint8Array<ArrayBuffer> | ReadableStream, headers = ticket.headers) =>
    app.request(ticket.url, { method: "PUT", headers, body, duplex: "half" } as RequestInit);
  const get = (key: string, headers: Record<string, string> = {}, method = "GET") =>
    app.request(`http://api.test${mount}/objects/${key}`, { headers, method });
  return { clock, store, app, ticketFor, put, get };
}

const codeOf = async (response: Response) => {
  const { code } = (await response.json()) as { code: string };
  return [response.status, code];
};

describe("uploads", () => {
  test("every refusal has its status and code", async () => {
    const { clock, ticketFor, put, app, store } = setUp();
    const bytes = bytesOf("honest");
    const ticket = await ticketFor("uploads/a", bytes);
    const { "if-none-match": _, ...withoutOnce } = ticket.headers;
    const forged = { ...ticket, url: ticket.url.replace(/\.6\./, ".7.") };

    expect(await codeOf(await put(ticket, bytesOf("honesT")))).toEqual([400, "checksum-mismatch"]);
    expect(await codeOf(await put(ticket, bytes, { ...ticket.headers, "content-length": "7" }))).toEqual([
      403,
      "length-mismatch",
    ]);
    expect(await codeOf(await put(ticket, bytes, withoutOnce))).toEqual([403, "header-missing"]);
    expect(await codeOf(await put(forged, bytes))).toEqual([403, "ticket-forged"]);
    expect(await codeOf(await app.request("/objects/uploads/a", { method: "PUT" }))).toEqual([
      403,
      "ticket-missing",
    ]);
    expect(await codeOf(await app.request("/objects/a%00b", { method: "PUT" }))).toEqual([
      400,
      "invalid-key",
    ]);
    expect(await codeOf(await app.request("/objects/a%ff", { method: "PUT" }))).toEqual([400, "invalid-key"]);
    expect(await store.head("uploads/a")).toBeNull();
    expect((await put(ticket, bytes)).status).toBe(200);
    expect(await codeOf(await put(ticket, bytes))).toEqual([412, "already-uploaded"]);
    expect(await codeOf(await put(await ticketFor("uploads/a", bytesOf("other")), bytesOf("other")))).toEqual(
      [412, "already-exists"],
    );
    await clock.passTime(1000);
    expect(await codeOf(await put(ticket, bytes))).toEqual([403, "ticket-expired"]);
  });

  test("a body that is longer than its headers say is dropped at the pinned length", async () => {
    const { ticketFor, put, store } = setUp();
    const ticket = await ticketFor("uploads/endless", bytesOf("x".repeat(100)));
    let sent = 0;
    const endless = new ReadableStream({
      pull(controller) {
        sent += 60;
        controller.enqueue(bytesOf("x".repeat(60)));
      },
    });
    expect(await codeOf(await put(ticket, endless))).toEqual([403, "length-mismatch"]);
    expect(sent).toBeLessThan(400);
    expect(await store.head("uploads/endless")).toBeNull();
  });

  test("a body that ends early is refused", async () => {
    const { ticketFor, put } = setUp();
    const ticket = await ticketFor("uploads/short", bytesOf("complete"));
    expect(await codeOf(await put(ticket, bytesOf("comp")))).toEqual([403, "length-mismatch"]);
  });
});

describe("downloads", () => {
  test("public objects need no ticket, others do, and without one nobody learns whether they exist", async () => {
    const { store, get } = setUp();
    await store.putIfAbsent("public/a b%", bytesOf("hello"));
    await store.putIfAbsent("sealed/a", bytesOf("secret"));
    expect(await (await get("public/a%20b%25")).text()).toBe("hello");
    expect(await codeOf(await get("sealed/a"))).toEqual([403, "ticket-missing"]);
    expect(await codeOf(await get("sealed/b"))).toEqual([403, "ticket-missing"]);
    expect(await codeOf(await get("public/b"))).toEqual([404, "no-such-object"]);
  });

  test("an encoded way out of the public folder stays a way to nothing", async () => {
    const { store, get } = setUp();
    await store.putIfAbsent("sealed/a", bytesOf("secret"));
    expect((await get("public/..%2Fsealed/a")).status).toBe(400);
    expect((await get("public/%2e%2e/sealed/a")).status).toBe(403);
  });

  test("an answer carries length, etag, both times and how long it may be kept", async () => {
    const { store, get } = setUp();
    await store.putIfAbsent("public/a", bytesOf("hello"));
    await store.putIfAbsent("public/head.json", bytesOf("{}"));
    const etag = (await store.head("public/a"))?.etag;
    for (const method of ["GET", "HEAD"]) {
      const answer = await get("public/a", {}, method);
      expect(await answer.text()).toBe(method === "GET" ? "hello" : "");
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        "cache-control": "public, max-age=31536000, immutable",
        "content-length": "5",
        date: "Sat, 31 Jan 2026 12:00:00 GMT",
        etag: `"${etag}"`,
        "last-modified": "Sat, 31 Jan 2026 12:00:00 GMT",
      });
    }
    expect((await get("public/head.json")).headers.get("cache-control")).toBe("no-cache");
    expect((await get("public/a", { "if-none-match": `"${etag}"` })).status).toBe(304);
  });

  test.each([
    ["bytes=2-4", 206, "234", "bytes 2-4/10"],
    ["bytes=7-99", 206, "789", "bytes 7-9/10"],
    ["bytes=8-", 206, "89", "bytes 8-9/10"],
    ["bytes=-3", 206, "789", "bytes 7-9/10"],
    ["bytes=-99", 206, "0123456789", "bytes 0-9/10"],
    ["bytes=0-1,3-4", 200, "0123456789", null],
    ["bytes=4-2", 200, "0123456789", null],
    ["lines=1-2", 200, "0123456789", null],
  ])("the range %s answers %i", async (range, status, text, place) => {
    const { store, get } = setUp();
    await store.putIfAbsent("public/digits", bytesOf("0123456789"));
    const answer = await get("public/digits", { range });
    expect([answer.status, await answer.text(), answer.headers.get("content-range")]).toEqual([
      status,
      text,
      place,
    ]);
  });

  test.each(["bytes=10-", "bytes=99-100", "bytes=-0"])(
    "the range %s of ten bytes answers 416",
    async (range) => {
      const { store, get } = setUp();
      await store.putIfAbsent("public/digits", bytesOf("0123456789"));
      const answer = await get("public/digits", { range });
      expect(answer.headers.get("content-range")).toBe("bytes */10");
      expect(await codeOf(answer)).toEqual([416, "range-not-satisfiable"]);
    },
  );

  test("a large object is streamed whole", async () => {
    const { store, get } = setUp();
    const large = new Uint8Array(3_500_000).map((_, index) => index % 251);
    await store.putIfAbsent("public/large", large);
    expect(sha256Of(new Uint8Array(await (await get("public/large")).arrayBuffer()))).toBe(sha256Of(large));
    const part = await get("public/large", { range: "bytes=1000000-2999999" });
    expect(sha256Of(new Uint8Array(await part.arrayBuffer()))).toBe(
      sha256Of(large.subarray(1_000_000, 3_000_000)),
    );
  });

  test("the routes work wherever they are mounted", async () => {
    const { store, ticketFor, put, get } = setUp("/v1/objects/store");
    const key = "public/objects/a+b c";
    expect((await put(await ticketFor(key, bytesOf("x")), bytesOf("x"))).status).toBe(200);
    expect(await store.head(key)).not.toBeNull();
    expect(await (await get("public/objects/a+b%20c")).text()).toBe("x");
  });
});
