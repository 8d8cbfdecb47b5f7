/**
 * The contract of presigned requests, sent over HTTP to wherever the store's tickets point: S3, or our own routes.
 *
 * @module
 */
import { createHash, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ObjectStoreHarness } from "./object-store.contract.ts";
import type { ObjectStore, Ticket } from "./object-store.ts";

const sha256Of = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const bytesOf = (text: string) => new TextEncoder().encode(text);

/** Sends a ticket's request. `content-length` is left to `fetch`, which derives it from what is really sent. */
function send(ticket: Ticket, bytes?: Uint8Array<ArrayBuffer>, without = ""): Promise<Response> {
  const headers = Object.entries(ticket.headers).filter(
    ([name]) => name.toLowerCase() !== "content-length" && name !== without,
  );
  return fetch(ticket.url, {
    method: ticket.method,
    headers: Object.fromEntries(headers),
    ...(bytes === undefined ? {} : { body: bytes }),
  });
}

/** Registers the suite; the harness's server must be reachable. */
export function describeTicketContract(name: string, factory: () => Promise<ObjectStoreHarness>): void {
  describe(`ticket contract: ${name}`, () => {
    let harness: ObjectStoreHarness;
    let store: ObjectStore;
    beforeAll(async () => {
      harness = await factory();
      store = harness.store;
    });
    afterAll(() => harness.close());

    const honest = bytesOf("sixteen bytes ok");
    const newKey = () => `contract/${randomUUID()}/upload a+b%.slc`;
    const ticketFor = async (key: string, bytes = honest, seconds = 60) =>
      store.presignPut(key, {
        sizeBytes: bytes.byteLength,
        sha256: sha256Of(bytes),
        expiresAtMs: (await store.now()) + seconds * 1000,
      });
    const expectRefused = async (key: string, response: Response) => {
      await response.arrayBuffer();
      expect(response.status).toBeGreaterThanOrEqual(400);
      expect(response.status).toBeLessThan(500);
      expect(await store.head(key)).toBeNull();
    };

    test("an honest upload is stored; the same upload again answers 412", async () => {
      const key = newKey();
      const ticket = await ticketFor(key);
      const first = await send(ticket, honest);
      const second = await send(ticket, honest);
      await Promise.all([first.arrayBuffer(), second.arrayBuffer()]);
      expect([first.status, second.status]).toEqual([200, 412]);
      expect((await store.get(key))?.bytes).toEqual(honest);
    });

    test("of two uploads at the same time one is stored, the other is told so", async () => {
      const ticket = await ticketFor(newKey());
      const answers = await Promise.all([send(ticket, honest), send(ticket, honest)]);
      await Promise.all(answers.map((answer) => answer.arrayBuffer()));
      const [stored, other] = answers.map(({ status }) => status).sort();
      expect(stored).toBe(200);
      // S3 answers 409 while the first is not done, 412 afterwards.
      expect([409, 412]).toContain(other);
    });

    test("other bytes of the same length are refused", async () => {
      const key = newKey();
      await expectRefused(key, await send(await ticketFor(key), bytesOf("sixteen bytes no")));
    });

    test("a longer or shorter body is refused", async () => {
      const key = newKey();
      const ticket = await ticketFor(key);
      await expectRefused(key, await send(ticket, bytesOf("sixteen bytes ok, and more")));
      await expectRefused(key, await send(ticket, bytesOf("sixteen")));
    });

    test("another key is refused", async () => {
      const [key, other] = [newKey(), newKey()];
      const ticket = await ticketFor(key);
      const path = (text: string) => text.split("/").map(encodeURIComponent).join("/");
      const url = ticket.url.replace(path(key), path(other));
      expect(url).not.toBe(ticket.url);
      await expectRefused(other, await send({ ...ticket, url }, honest));
    });

    test("every header of the ticket is needed", async () => {
      const key = newKey();
      const ticket = await ticketFor(key);
      const names = Object.keys(ticket.headers).filter((name) => name.toLowerCase() !== "content-length");
      expect(names).not.toEqual([]);
      for (const name of names) await expectRefused(key, await send(ticket, honest, name));
    });

    test("an expired upload is refused", async () => {
      const key = newKey();
      const ticket = await ticketFor(key, honest, 2);
      await harness.passTime(3500);
      await expectRefused(key, await send(ticket, honest));
    });

    test("a ticket that would be expired when it is issued is a typed error", async () => {
      const expiresAtMs = (await store.now()) - 5000;
      await expect(store.presignGet(newKey(), { expiresAtMs })).rejects.toMatchObject({
        code: "ticket-expired",
      });
    });

    test("a download gives the bytes, whole or in part, until it expires", async () => {
      const key = newKey();
      await store.putIfAbsent(key, honest);
      const ticket = await store.presignGet(key, { expiresAtMs: (await store.now()) + 2000 });
      const whole = await send(ticket);
      const part = await fetch(ticket.url, { headers: { range: "bytes=2-4" } });
      expect(whole.status).toBe(200);
      expect(whole.headers.get("content-length")).toBe("16");
      expect(new Uint8Array(await whole.arrayBuffer())).toEqual(honest);
      expect(part.status).toBe(206);
      expect(await part.text()).toBe("xte");

      await harness.passTime(3500);
      const late = await send(ticket);
      await late.arrayBuffer();
      expect(late.status).toBe(403);
    });

    test("a download of another key, or with the method of another ticket, is refused", async () => {
      const key = newKey();
      const other = newKey();
      await store.putIfAbsent(key, honest);
      await store.putIfAbsent(other, honest);
      const ticket = await store.presignGet(key, { expiresAtMs: (await store.now()) + 60_000 });
      const path = (text: string) => text.split("/").map(encodeURIComponent).join("/");
      const tampered = await fetch(ticket.url.replace(path(key), path(other)));
      const written = await fetch(ticket.url, { method: "PUT", body: honest });
      await Promise.all([tampered.arrayBuffer(), written.arrayBuffer()]);
      expect(tampered.status).toBe(403);
      expect(written.status).toBe(403);
    });

    test("a ticket for an object that is not there gets nothing", async () => {
      const ticket = await store.presignGet(newKey(), { expiresAtMs: (await store.now()) + 60_000 });
      const answer = await send(ticket);
      await answer.arrayBuffer();
      // S3 says 404 only to those who may list the bucket.
      expect([403, 404]).toContain(answer.status);
    });
  });
}
