/**
 * What the doctor finds at a server that only looks like S3, and when clocks differ. Real servers: test/services.
 */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { judgeSkew, skewOf } from "./checks/clock-checks.ts";
import { conclude } from "./checks/event-check.ts";
import { examine } from "./examine.ts";
import { storageOptions } from "./storage-options.ts";
import { type CarelessS3, startCarelessS3 } from "./testing/careless-s3.ts";

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
    "anonymous list": "failed: anybody can list the bucket: 200, expected 403",
    "anonymous write": "failed: anybody can write to the bucket: 200, expected 403",
    "changed download URL": "failed: a URL signed for one object opens another: 200, expected 403",
    clock: expect.stringMatching(/^ok: /),
    latency: expect.stringMatching(/^ok: conditional write \d/),
    "cleaned up": expect.stringMatching(/^ok: \d+ objects/),
  });
  expect(server.keys()).toEqual([]);
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
