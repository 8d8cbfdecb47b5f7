/**
 * What the doctor finds at a server that only looks like S3, and when clocks differ. Real servers: test/services.
 */
import { once } from "node:events";
import { createAdaptorServer } from "@hono/node-server";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { accessChecks, privacyChecks } from "./checks/access-checks.ts";
import { judgeSkew, skewOf } from "./checks/clock-checks.ts";
import { whoSets } from "./checks/context.ts";
import { coordinatorChecks } from "./checks/coordinator-checks.ts";
import { conclude, unwantedTarget } from "./checks/event-check.ts";
import { nextCommand } from "./doctor.ts";
import { examine } from "./examine.ts";
import { storageOptions } from "./storage-options.ts";
import { type CarelessOptions, type CarelessS3, startCarelessS3 } from "./testing/careless-s3.ts";

/** Port 1 is nobody's. */
const NOBODY = "http://127.0.0.1:1";

let server: CarelessS3;

beforeEach(async () => {
  server = await startCarelessS3();
  vi.stubEnv("AWS_ACCESS_KEY_ID", "anybody");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "any-secret");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server.close();
});

it("a server that ignores conditions, checksums and signatures is found out, point by point", async () => {
  const storage = storageOptions({ endpoint: server.endpoint, queueEndpoint: NOBODY });
  const results = await examine(storage, new AbortController().signal, { retrySeconds: 0 });
  const found = Object.fromEntries(results.map(({ name, status, detail }) => [name, `${status}: ${detail}`]));
  expect(found).toMatchObject({
    "store answers": `ok: an S3-compatible server at ${server.endpoint}`,
    bucket: "ok: outerloop exists and can be listed",
    "create once": "failed: If-None-Match is ignored: the second write was accepted",
    "create once, raced": "failed: 8 at a time, 8 won",
    "compare and swap": "failed: If-Match is ignored: a stale etag was accepted",
    "compare and swap, raced": "failed: 8 at a time, 8 won",
    "swap of a missing object": "failed: If-Match made an object that was not there",
    checksum: "failed: x-amz-checksum-sha256 is ignored: bytes with another SHA-256 were stored",
    "ticket, used as issued": "ok: 200",
    "ticket, second use": "failed: 200, expected 412",
    "ticket, other content": "failed: 200, expected 400 or 403",
    "ticket, other SHA-256": "failed: 200, expected 403 or 400",
    "ticket, longer content": "failed: 200, expected 403 or 400",
    "ticket, other key": "failed: 200, expected 403 or 400",
    "ticket, condition dropped": "failed: 200, expected 403 or 400",
    "ticket, checksum dropped": "failed: 200, expected 403 or 400",
    "ticket, expired": "failed: 200, expected 403 or 400",
    "nothing refused is stored": expect.stringMatching(/^failed: stored all the same: .*other-key-other/),
    "anonymous read": "failed: anybody can read a sealed object: 200, expected 403",
    "anonymous read of uploads": "failed: anybody can read an upload: 200, expected 403",
    "anonymous list": "failed: anybody can list the bucket: 200, expected 403",
    "anonymous write": "failed: anybody can write to the bucket: 200, expected 403",
    "changed download URL": "failed: a URL signed for one object opens another: 200, expected 403",
    clock: expect.stringMatching(/^ok: /),
    latency: expect.stringMatching(/^ok: conditional write \d/),
    "cleaned up": expect.stringMatching(/^ok: \d+ objects/),
  });
  expect(server.keys()).toEqual([]);
});

/** What is said of strangers, at a server that takes this much care. */
async function ofStrangers(care: CarelessOptions) {
  const server = await startCarelessS3(care);
  const storage = storageOptions({ endpoint: server.endpoint });
  const checks = [...accessChecks, ...privacyChecks.slice(0, 4)];
  const results = await examine(storage, new AbortController().signal, { checks, retrySeconds: 0 });
  await server.close();
  return Object.fromEntries(
    results
      .filter(({ name }) => name.startsWith("anonymous"))
      .map(({ name, status, detail }) => [name, `${status}: ${detail}`]),
  );
}

it("strangers are kept out where they are refused, and nothing else passes for it", async () => {
  expect(new Set(Object.values(await ofStrangers({ toStrangers: 403 })))).toEqual(
    new Set(["ok: refused: 403 AccessDenied"]),
  );
  for (const status of [404, 405, 503]) {
    expect(new Set(Object.values(await ofStrangers({ toStrangers: status })))).toEqual(
      new Set([`failed: not shown that strangers are kept out: ${status} AccessDenied, expected 403`]),
    );
  }
});

it("uploads that anybody can read are found, though the rest is closed", async () => {
  expect(await ofStrangers({ toStrangers: 403, openPrefix: "uploads/" })).toEqual({
    "anonymous read": "ok: refused: 403 AccessDenied",
    "anonymous read of uploads": "failed: anybody can read an upload: 200, expected 403",
    "anonymous list": "ok: refused: 403 AccessDenied",
    "anonymous write": "ok: refused: 403 AccessDenied",
  });
});

it("a bucket that refuses writes without a condition is not taken to refuse strangers", async () => {
  expect((await ofStrangers({ demandsConditions: true }))["anonymous write"]).toBe(
    "failed: anybody can write to the bucket: 200, expected 403",
  );
});

/** What is said of the signatures that such a coordinator takes. */
async function authorityAt(answer: (request: Request) => Response) {
  const server = createAdaptorServer({
    fetch: (request) =>
      new URL(request.url).pathname === "/runs" && request.method === "GET"
        ? Response.json({ runs: [] })
        : answer(request),
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const storage = storageOptions({ endpoint: NOBODY });
  const results = await examine(storage, new AbortController().signal, {
    checks: coordinatorChecks,
    coordinator: `http://127.0.0.1:${port}`,
  });
  server.close();
  return results.find(({ name }) => name === "authority");
}

it.each([
  ["405 with a page", () => new Response("<html>", { status: 405 }), "failed"],
  ["malformed", () => Response.json({ code: "malformed", message: "no" }, { status: 400 }), "failed"],
  ["tickets", () => Response.json({ tickets: [] }), "failed"],
  ["no-such-run", () => Response.json({ code: "no-such-run", message: "no" }, { status: 404 }), "ok"],
] as const)("a coordinator that answers a signed request with %s", async (_, answer, status) => {
  expect((await authorityAt(answer))?.status).toBe(status);
});

it.each([
  [null, "none", null],
  ["arn:queue", "none", "warning"],
  [null, "auto", "warning"],
  ["arn:queue", "auto", null],
  ["arn:another", "auto", "failed"],
  ["arn:minio:sqs::FIRST:webhook", "auto", null],
  ["arn:minio:sqs::FIRST:webhook", "webhook:FIRST", null],
  ["arn:minio:sqs::FIRST:webhook", "webhook:SECOND", "failed"],
  ["arn:minio:sqs::FIRST:webhook", "sqs", "failed"],
  ["arn:queue", "webhook:FIRST", "failed"],
])("a bucket that tells %s, where --notify says %s", (target, notify, status) => {
  const found = unwantedTarget(target, storageOptions({ notify }), "arn:queue");
  expect(found?.status ?? null).toBe(status);
});

it("what comes next is a run: here, or where a deployment serves them", () => {
  const here = storageOptions({ endpoint: "http://store", notify: "none" }, {});
  expect(nextCommand(here, undefined)).toBe(
    "npm start -- --store s3 --endpoint http://store --queue http://store --notify none",
  );
  expect(nextCommand(here, "https://example.org")).toBe(
    "npm run outerloop -- run create --endpoint http://store --queue http://store --secrets file:FOLDER --evaluators KEY",
  );
  const inAws = storageOptions({ bucket: "runs" }, {});
  expect(nextCommand(inAws, undefined)).toBe(
    "npm run outerloop -- run create --bucket runs --secrets ssm:/PREFIX --evaluators KEY",
  );
  expect(whoSets(here, "it")).toBe("outerloop provision sets it");
  expect(whoSets(inAws, "it")).toMatch(/^deploy again/);
});

it("a clock that is wrong is found, on whichever side", async () => {
  const storage = storageOptions({ endpoint: server.endpoint });
  const skew = await skewOf({ storage, now: () => Date.now() + 10_000 });
  expect(judgeSkew(skew)).toMatchObject({
    status: "warning",
    detail: expect.stringContaining("s behind this"),
  });
  const ahead = await startCarelessS3({ aheadSeconds: 90 });
  const other = await skewOf({ storage: storageOptions({ endpoint: ahead.endpoint }), now: Date.now });
  await ahead.close();
  expect(judgeSkew(other)).toMatchObject({
    status: "failed",
    detail: expect.stringMatching(/^the store is (89|9[01])\.\d s ahead of this machine/),
  });
});

it.each([
  [0, "ok"],
  [1.9, "ok"],
  [-2.1, "warning"],
  [60, "warning"],
  [-61, "failed"],
  [Number.NaN, "failed"],
])("clocks %s s apart: %s", (aheadSeconds, status) => {
  expect(judgeSkew(aheadSeconds).status).toBe(status);
});

it("an announcement that does not come means what the other messages say", () => {
  const [queue, webhook] = [
    "arn:aws:sqs:us-east-1:000000000000:outerloop-shards",
    "arn:minio:sqs::OUTERLOOP:webhook",
  ];
  const came = { arrivedMs: 40, sent: 3, returned: 1 };
  const none = { arrivedMs: null, sent: 3, returned: 3 };
  const taken = { arrivedMs: null, sent: 3, returned: 1 };
  expect(conclude(came, queue)).toEqual({ status: "ok", detail: "an upload was announced after 40 ms" });
  expect(conclude(none, queue)).toMatchObject({
    status: "failed",
    detail: expect.stringMatching(/3 uploads, no announcement/),
  });
  expect(conclude(none, webhook)).toMatchObject({
    status: "warning",
    detail: expect.stringMatching(/in the coordinator/),
  });
  expect(conclude(taken, queue)).toMatchObject({
    status: "warning",
    detail: expect.stringMatching(/2 of 3 messages were taken/),
  });
});

it("whoever cannot be reached stops the questions that need it, and no others", async () => {
  const storage = storageOptions({ endpoint: NOBODY });
  const results = await examine(storage, new AbortController().signal, { retrySeconds: 0 });
  const asked = results.filter(({ blockedBy }) => blockedBy === undefined);
  expect(asked.map(({ name, status }) => `${name}: ${status}`)).toEqual([
    "store answers: failed",
    "queue service answers: failed",
  ]);
  expect(asked[0]?.detail).toBe(`no answer from ${NOBODY}: is it running, and is the address right?`);
});
