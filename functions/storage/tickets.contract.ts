/**
 * The contract of presigned requests, sent over HTTP to wherever the store's tickets point: S3, or our own routes.
 *
 * @module
 */
import { createHash, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { type ContractOptions, type Property, registerProperties } from "./contract-harness.ts";
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
export function describeTicketContract(
  name: string,
  factory: () => Promise<ObjectStoreHarness>,
  options: ContractOptions = {},
): void {
  describe(`ticket contract: ${name}`, () =>
    registerProperties("tickets", name, options, (property) => register(property, factory)));
}

function register(test: Property, factory: () => Promise<ObjectStoreHarness>): void {
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
    for (const pin of [{ expiresAtMs }, { lifeSeconds: -5 }, { lifeSeconds: Number.NaN }]) {
      await expect(store.presignGet(newKey(), pin)).rejects.toMatchObject({ code: "ticket-expired" });
    }
  });

  test("a download gives the bytes, whole or in part, until it expires", async () => {
    const key = newKey();
    await store.putIfAbsent(key, honest);
    const ticket = await store.presignGet(key, { lifeSeconds: 2 });
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

  test("a download ends at the moment that was asked for, or after the time", async () => {
    const nowMs = await store.now();
    const until = await store.presignGet(newKey(), { expiresAtMs: nowMs + 60_000 });
    const during = await store.presignGet(newKey(), { lifeSeconds: 60 });
    // S3 counts in whole seconds.
    for (const { expiresAtMs } of [until, during]) {
      expect(Math.abs(expiresAtMs - nowMs - 60_000)).toBeLessThanOrEqual(2000);
    }
    expect(until.expiresAtMs).toBeLessThanOrEqual(nowMs + 60_000);
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

  test("without a ticket nobody reads or writes", async () => {
    const [key, standing] = [newKey(), newKey()];
    await store.putIfAbsent(standing, honest);
    const ticket = await ticketFor(key);
    const bare = (url: string) => url.replace(/\?.*/, "");
    await expectRefused(key, await send({ ...ticket, url: bare(ticket.url) }, honest));
    const download = await store.presignGet(standing, { expiresAtMs: (await store.now()) + 60_000 });
    const read = await fetch(bare(download.url));
    await read.arrayBuffer();
    expect(read.status).toBe(403);
  });

  test("an uploader that calls its bytes compressed does not break those who read them", async () => {
    const key = newKey();
    const ticket = await ticketFor(key);
    const upload = await send(
      { ...ticket, headers: { ...ticket.headers, "content-encoding": "gzip" } },
      honest,
    );
    await upload.arrayBuffer();
    expect(upload.status).toBe(200);
    const download = await send(await store.presignGet(key, { expiresAtMs: (await store.now()) + 60_000 }));
    expect(new Uint8Array(await download.arrayBuffer())).toEqual(honest);
    expect((await store.get(key))?.bytes).toEqual(honest);
  });

  test("every misuse of an upload ticket is refused, and the refusals are shown", async ({
    task,
    annotate,
  }) => {
    const statuses: Record<string, number> = {};
    const attempt = async (what: string, key: string, sent: Promise<Response>) => {
      const answer = await sent;
      await answer.arrayBuffer();
      statuses[what] = answer.status;
      expect(answer.status, what).toBeGreaterThanOrEqual(400);
      expect(answer.status, what).toBeLessThan(500);
      expect((await store.get(key))?.bytes ?? null, what).toEqual(key === used ? honest : null);
    };
    const other = bytesOf("sixteen bytes no");
    const [used, fresh, foreign] = [newKey(), newKey(), newKey()];
    const ticket = await ticketFor(fresh);
    const spent = await ticketFor(used);
    const expiring = await ticketFor(fresh, honest, 2);
    await (await send(spent, honest)).arrayBuffer();
    const path = (key: string) => key.split("/").map(encodeURIComponent).join("/");
    const forged = (headers: Record<string, string>) => ({
      ...ticket,
      headers: { ...ticket.headers, ...headers },
    });

    await attempt("other content", fresh, send(ticket, other));
    await attempt("longer content", fresh, send(ticket, bytesOf("sixteen bytes ok, and more")));
    await attempt(
      "another key",
      foreign,
      send({ ...ticket, url: ticket.url.replace(path(fresh), path(foreign)) }, honest),
    );
    await attempt("a second use", used, send(spent, honest));
    await attempt("a second use with other content", used, send(spent, other));
    for (const name of Object.keys(ticket.headers)) {
      if (name === "content-length") continue;
      await attempt(`${name} left out`, fresh, send(ticket, honest, name));
    }
    if (ticket.headers["x-amz-checksum-sha256"] !== undefined) {
      const checksum = createHash("sha256").update(other).digest("base64");
      await attempt("a forged checksum", fresh, send(forged({ "x-amz-checksum-sha256": checksum }), other));
      await attempt("another content type", fresh, send(forged({ "content-type": "text/html" }), honest));
    }
    await harness.passTime(3500);
    await attempt("after it expired", fresh, send(expiring, honest));

    const { contract } = task.meta;
    if (contract !== undefined) contract.statuses = statuses;
    await annotate(
      Object.entries(statuses)
        .map(([what, status]) => `${what}: ${status}`)
        .join(", "),
    );
  });
}
