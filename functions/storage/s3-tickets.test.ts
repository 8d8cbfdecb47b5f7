import { describe, expect, test } from "vitest";
import { createS3Tickets } from "./s3-tickets.ts";

const NOON = Date.parse("2026-01-31T12:00:00.750Z");
const sha256 = "00".repeat(32);

function setUp({
  profile,
  storeMs = NOON,
  expiration,
}: {
  profile?: "s3" | "r2";
  storeMs?: number;
  expiration?: Date;
} = {}) {
  return createS3Tickets({
    bucket: "bucket",
    endpoint: "http://127.0.0.1:1",
    region: "us-east-1",
    profile,
    uploadCredentials: {
      accessKeyId: "uploader",
      secretAccessKey: "secret",
      ...(expiration === undefined ? {} : { expiration }),
    },
    readCredentials: { accessKeyId: "reader", secretAccessKey: "secret" },
    storeNow: async () => storeMs,
    now: () => NOON,
  });
}
const queryOf = (url: string) => Object.fromEntries(new URL(url).searchParams);

describe("an upload", () => {
  test("is signed with everything that must not change, and names it as headers", async () => {
    const { put } = setUp();
    const ticket = await put("uploads/a b+c", { sizeBytes: 5, sha256, expiresAtMs: NOON + 60_000 });
    const query = queryOf(ticket.url);
    expect(query["X-Amz-SignedHeaders"]).toBe(
      "content-length;content-type;host;if-none-match;x-amz-checksum-sha256",
    );
    expect(ticket.headers).toEqual({
      "content-length": "5",
      "content-type": "application/octet-stream",
      "if-none-match": "*",
      "x-amz-checksum-sha256": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    });
    expect(query["X-Amz-Credential"]).toMatch(/^uploader\/20260131\/us-east-1\//);
    expect(new URL(ticket.url).pathname).toBe("/bucket/uploads/a%20b%2Bc");
    // The SDK's own checksum would be the CRC32 of an empty body.
    expect(ticket.url).not.toMatch(/crc32|sdk-checksum/i);
  });

  test("counts from the store's time, in whole seconds, and is never good for longer than asked", async () => {
    for (const storeMs of [NOON, NOON - 3_600_000, NOON + 3_600_000]) {
      const { put } = setUp({ storeMs });
      const expiresAtMs = storeMs + 60_000;
      const ticket = await put("a", { sizeBytes: 5, sha256, expiresAtMs });
      const query = queryOf(ticket.url);
      const signedAt = String(query["X-Amz-Date"]).replace(
        /(....)(..)(..)T(..)(..)(..)Z/,
        "$1-$2-$3T$4:$5:$6Z",
      );
      const endsAtMs = Date.parse(signedAt) + Number(query["X-Amz-Expires"]) * 1000;
      expect(endsAtMs).toBe(ticket.expiresAtMs);
      expect(endsAtMs).toBeLessThanOrEqual(expiresAtMs);
      expect(endsAtMs).toBeGreaterThan(expiresAtMs - 1000);
      expect(Date.parse(signedAt)).toBeLessThanOrEqual(storeMs);
    }
  });

  test("ends with the session that signed it", async () => {
    const { put } = setUp({ expiration: new Date(NOON + 30_250) });
    const ticket = await put("a", { sizeBytes: 5, sha256, expiresAtMs: NOON + 60_000 });
    expect(ticket.expiresAtMs).toBe(NOON - 750 + 31_000);
  });

  test.each([
    ["in the past", NOON - 1],
    ["now", NOON],
    ["within the second", NOON + 200],
  ])("that would end %s is a typed error", async (_, expiresAtMs) => {
    const { put } = setUp();
    await expect(put("a", { sizeBytes: 5, sha256, expiresAtMs })).rejects.toMatchObject({
      code: "ticket-expired",
    });
  });

  test.each([
    [{ sizeBytes: -1, sha256, expiresAtMs: NOON + 9000 }, "a", "invalid-option"],
    [{ sizeBytes: 1, sha256: "00", expiresAtMs: NOON + 9000 }, "a", "invalid-option"],
    [{ sizeBytes: 1, sha256, expiresAtMs: NOON + 9000 }, "a/../b", "invalid-key"],
  ])("of %j to %s is %s", async (pin, key, code) => {
    await expect(setUp().put(key, pin)).rejects.toMatchObject({ code });
  });

  test("to R2 is signed for its one region", async () => {
    const ticket = await setUp({ profile: "r2" }).put("a", {
      sizeBytes: 1,
      sha256,
      expiresAtMs: NOON + 9000,
    });
    expect(queryOf(ticket.url)["X-Amz-Credential"]).toMatch(/^uploader\/20260131\/auto\//);
  });
});

test("a download is signed by the role that reads", async () => {
  const ticket = await setUp().get("a", { expiresAtMs: NOON + 9000 });
  expect(ticket).toMatchObject({ method: "GET", headers: {} });
  expect(queryOf(ticket.url)["X-Amz-Credential"]).toMatch(/^reader\//);
  expect(queryOf(ticket.url)["X-Amz-SignedHeaders"]).toBe("host");
});
