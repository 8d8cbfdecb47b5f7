/**
 * The contract of every {@link ObjectStore}, written to what S3 does: what passes here behaves the same in the cloud.
 *
 * @module
 */
import { createHash, randomUUID } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect } from "vitest";
import {
  type ContractOptions,
  type PassTime,
  type Property,
  registerProperties,
  waitUntil,
} from "./contract-harness.ts";
import { describeListing } from "./object-listing.contract.ts";
import type { CreatedEvent, ObjectStore } from "./object-store.ts";

/** One adapter, ready to be used. The presigned URLs have a contract of their own. */
export interface ObjectStoreHarness {
  store: ObjectStore;
  passTime: PassTime;
  /** Hears of created objects under a prefix, however this store tells of them. Returns what ends it. */
  listen: (prefix: string, listener: (event: CreatedEvent) => void) => () => void;
  close: () => Promise<void>;
}

const MIB = 1024 * 1024;
const sha256Of = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array | null | undefined) => (bytes ? new TextDecoder().decode(bytes) : null);

/** Bytes of which no two parts are equal, so that one in the wrong place shows. */
function patterned(sizeBytes: number): Uint8Array {
  const words = new Uint32Array(sizeBytes / 4);
  for (let index = 0; index < words.length; index += 1) words[index] = index;
  return new Uint8Array(words.buffer);
}

/** Memory outside the heap that somebody still holds. */
function reachableBytes(): number {
  collectGarbage();
  // What the first one found is freed beside the program; the second waits for that.
  collectGarbage();
  const { arrayBuffers } = process.memoryUsage();
  return arrayBuffers;
}

/** Node's own `gc`, which it shows only to those who ask. */
const collectGarbage: () => void = (() => {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc");
})();

/** Registers the suite. The store may hold other objects: every test has a folder of its own. */
export function describeObjectStoreContract(
  name: string,
  factory: () => Promise<ObjectStoreHarness>,
  options: ContractOptions = {},
): void {
  describe(`object store contract: ${name}`, () =>
    registerProperties("object store", name, options, (property) => register(property, factory)));
}

function register(test: Property, factory: () => Promise<ObjectStoreHarness>): void {
  let harness: ObjectStoreHarness;
  let store: ObjectStore;
  beforeAll(async () => {
    harness = await factory();
    store = harness.store;
  });
  afterAll(() => harness.close());

  const folder = () => `contract/${randomUUID()}`;

  describe("reading and creating", () => {
    test("an object that nobody created is null everywhere", async () => {
      const key = `${folder()}/absent`;
      expect(await store.head(key)).toBeNull();
      expect(await store.get(key)).toBeNull();
      expect(await store.range(key, 0, 1)).toBeNull();
    });

    test("what was put is got back with its size, etag and the store's time in whole seconds", async () => {
      const key = `${folder()}/a.bin`;
      const before = await store.now();
      const put = await store.putIfAbsent(key, bytesOf("hello"));
      const after = await store.now();

      const object = await store.get(key);
      expect(put.outcome).toBe("created");
      expect(textOf(object?.bytes)).toBe("hello");
      expect(object).toMatchObject({ key, sizeBytes: 5 });
      expect(await store.head(key)).toEqual({ ...object, bytes: undefined });
      expect(put).toMatchObject({ info: { key, etag: object?.etag, sizeBytes: 5 } });
      const lastModifiedMs = object?.lastModifiedMs ?? Number.NaN;
      expect(lastModifiedMs % 1000).toBe(0);
      expect(lastModifiedMs).toBeGreaterThanOrEqual(Math.floor(before / 1000) * 1000 - 1000);
      expect(lastModifiedMs).toBeLessThanOrEqual(after + 1000);
    });

    test("an empty object is an object", async () => {
      const key = `${folder()}/empty`;
      await store.putIfAbsent(key, new Uint8Array());
      expect((await store.get(key))?.bytes.byteLength).toBe(0);
    });

    test("the bytes handed over may be changed afterwards", async () => {
      const key = `${folder()}/mine`;
      // A Buffer, because its `slice` does not copy.
      const bytes = Buffer.from("mine");
      await store.putIfAbsent(key, bytes);
      bytes.fill(0);
      expect(textOf((await store.get(key))?.bytes)).toBe("mine");
    });

    test("a second put changes nothing and gets what stands there", async () => {
      const key = `${folder()}/once`;
      await store.putIfAbsent(key, bytesOf("first"));
      const second = await store.putIfAbsent(key, bytesOf("second"));
      expect(second.outcome === "exists" && textOf(second.object.bytes)).toBe("first");
      expect(textOf((await store.get(key))?.bytes)).toBe("first");
    });

    test("a retry that meets its own first try sees its own bytes", async () => {
      const key = `${folder()}/retried`;
      const first = await store.putIfAbsent(key, bytesOf("same"));
      const retry = await store.putIfAbsent(key, bytesOf("same"));
      expect(retry.outcome === "exists" && textOf(retry.object.bytes)).toBe("same");
      expect(retry.outcome === "exists" && retry.object.etag).toBe(
        first.outcome === "created" && first.info.etag,
      );
    });

    test("of ten who race to create, one wins and nine adopt its bytes", async () => {
      const key = `${folder()}/race`;
      const racers = Array.from({ length: 10 }, (_, racer) =>
        store.putIfAbsent(key, bytesOf(`racer ${racer}`)),
      );
      const outcomes = await Promise.all(racers);
      const standing = textOf((await store.get(key))?.bytes);
      expect(outcomes.filter(({ outcome }) => outcome === "created")).toHaveLength(1);
      for (const [racer, put] of outcomes.entries()) {
        const seen = put.outcome === "exists" ? textOf(put.object.bytes) : `racer ${racer}`;
        expect(seen).toBe(standing);
      }
    });

    test("an object larger than the caller's limit is a typed error", async () => {
      const key = `${folder()}/large`;
      await store.putIfAbsent(key, bytesOf("12345"));
      await expect(store.get(key, { maxBytes: 4 })).rejects.toMatchObject({ code: "object-too-large" });
      expect(textOf((await store.get(key, { maxBytes: 5 }))?.bytes)).toBe("12345");
    });

    test("a range is read as asked, one past the end is a typed error", async () => {
      const key = `${folder()}/range`;
      await store.putIfAbsent(key, bytesOf("0123456789"));
      expect(textOf(await store.range(key, 2, 5))).toBe("234");
      expect(textOf(await store.range(key, 0, 10))).toBe("0123456789");
      for (const [start, end] of [
        [8, 11],
        [10, 12],
        [3, 3],
        [-1, 2],
      ] as const) {
        await expect(store.range(key, start, end)).rejects.toMatchObject({ code: "range-not-satisfiable" });
      }
    });

    test("a part of an object is streamed, one past the end is a typed error", async () => {
      const key = `${folder()}/streamed`;
      await store.putIfAbsent(key, bytesOf("0123456789"));
      const textOfStream = async (range?: { start?: number; end?: number }) => {
        const streamed = await store.stream(key, range);
        expect(streamed?.info).toEqual(await store.head(key));
        return streamed && new Response(streamed.bytes).text();
      };
      expect(await textOfStream()).toBe("0123456789");
      expect(await textOfStream({ start: 2, end: 5 })).toBe("234");
      expect(await textOfStream({ start: 7 })).toBe("789");
      expect(await textOfStream({ end: 3 })).toBe("012");
      for (const range of [{ start: 8, end: 11 }, { start: 10 }, { start: 3, end: 3 }, { start: -1 }]) {
        await expect(store.stream(key, range)).rejects.toMatchObject({ code: "range-not-satisfiable" });
      }
      expect(await store.stream(`${key}-absent`, { start: 2 })).toBeNull();
    });

    test("a large object is read in bounded memory, and a stream may be left", async () => {
      const key = `${folder()}/long`;
      const bytes = patterned(32 * MIB);
      const sha256 = sha256Of(bytes);
      await store.putIfAbsent(key, bytes);
      const streamed = await store.stream(key);
      const hash = createHash("sha256");
      const before = reachableBytes();
      let [sizeBytes, growth, largest] = [0, 0, 0];
      for await (const chunk of streamed?.bytes ?? []) {
        hash.update(chunk);
        sizeBytes += chunk.byteLength;
        largest = Math.max(largest, chunk.byteLength);
        if (sizeBytes % (4 * MIB) >= chunk.byteLength) continue;
        // A reader that is slow: whatever reads ahead of it has its turns now.
        for (let turn = 0; turn < 200; turn += 1) await setImmediate();
        growth = Math.max(growth, reachableBytes() - before);
      }
      expect(hash.digest("hex")).toBe(sha256);
      expect(largest).toBeLessThanOrEqual(MIB);
      expect(growth).toBeLessThan(8 * MIB);

      const left = await store.stream(key);
      await left?.bytes.cancel();
      expect(textOf(await store.range(key, 0, 1))).toBe(textOf(bytes.subarray(0, 1)));
    });

    test("an object too large for one request is created once all the same", async () => {
      const key = `${folder()}/huge`;
      const bytes = patterned(65 * MIB);
      const first = await store.putIfAbsent(key, bytes);
      expect(first).toMatchObject({ outcome: "created", info: { sizeBytes: bytes.byteLength } });
      const read = await store.get(key);
      expect(sha256Of(read?.bytes ?? new Uint8Array())).toBe(sha256Of(bytes));
      expect(read?.etag).toBe(first.outcome === "created" && first.info.etag);
      bytes.fill(1);
      const second = await store.putIfAbsent(key, bytes);
      expect(second.outcome === "exists" && sha256Of(second.object.bytes)).toBe(
        sha256Of(read?.bytes ?? new Uint8Array()),
      );
    });

    test("delete is idempotent, and the key can be created anew", async () => {
      const key = `${folder()}/deleted`;
      await store.putIfAbsent(key, bytesOf("old"));
      await store.delete(key);
      await store.delete(key);
      expect(await store.get(key)).toBeNull();
      expect((await store.putIfAbsent(key, bytesOf("new"))).outcome).toBe("created");
      expect(textOf((await store.get(key))?.bytes)).toBe("new");
    });
  });

  describe("compare-and-swap", () => {
    test("it creates when nothing was there, replaces what was read, and refuses what has changed", async () => {
      const key = `${folder()}/head.json`;
      const created = await store.compareAndSwap(key, bytesOf("1"), null);
      const again = await store.compareAndSwap(key, bytesOf("x"), null);
      const first = created.outcome === "swapped" ? created.info.etag : "";
      const swapped = await store.compareAndSwap(key, bytesOf("22"), first);
      const stale = await store.compareAndSwap(key, bytesOf("x"), first);

      expect([created.outcome, again.outcome, swapped.outcome, stale.outcome]).toEqual([
        "swapped",
        "conflict",
        "swapped",
        "conflict",
      ]);
      expect(textOf((await store.get(key))?.bytes)).toBe("22");
      const head = await store.head(key);
      expect(head).toMatchObject({
        sizeBytes: 2,
        etag: swapped.outcome === "swapped" && swapped.info.etag,
      });
      expect(head?.etag).not.toBe(first);
      expect((await store.list(key)).objects).toEqual([head]);
      expect(textOf(await store.range(key, 1, 2))).toBe("2");
    });

    test("an object that was created once can be swapped, and is never created again", async () => {
      const key = `${folder()}/plain`;
      const put = await store.putIfAbsent(key, bytesOf("plain"));
      const etag = put.outcome === "created" ? put.info.etag : "";
      expect((await store.compareAndSwap(key, bytesOf("swapped"), etag)).outcome).toBe("swapped");
      const retry = await store.putIfAbsent(key, bytesOf("plain"));
      expect(retry.outcome === "exists" && textOf(retry.object.bytes)).toBe("swapped");
    });

    test("a swap of a missing object is a typed error: S3 answers 404, not 412", async () => {
      const key = `${folder()}/gone`;
      const put = await store.putIfAbsent(key, bytesOf("gone"));
      await store.delete(key);
      const swap = store.compareAndSwap(key, bytesOf("x"), put.outcome === "created" ? put.info.etag : "");
      await expect(swap).rejects.toMatchObject({ code: "no-such-object" });
    });

    test("a swapped object that was deleted starts anew", async () => {
      const key = `${folder()}/again`;
      const first = await store.compareAndSwap(key, bytesOf("1"), null);
      const etag = first.outcome === "swapped" ? first.info.etag : "";
      await store.compareAndSwap(key, bytesOf("two"), etag);
      await store.delete(key);
      expect(await store.get(key)).toBeNull();
      expect((await store.list(key)).objects).toEqual([]);
      expect((await store.compareAndSwap(key, bytesOf("three"), null)).outcome).toBe("swapped");
      expect((await store.compareAndSwap(key, bytesOf("x"), etag)).outcome).toBe("conflict");
      expect(textOf((await store.get(key))?.bytes)).toBe("three");
    });

    test("eight writers increment a counter 25 times each: it counts exactly the swaps that succeeded", async () => {
      const key = `${folder()}/counter`;
      await store.compareAndSwap(key, bytesOf("0"), null);
      const writer = async () => {
        let wins = 0;
        for (let turn = 0; turn < 25; turn += 1) {
          const read = await store.get(key);
          const next = bytesOf(String(Number(textOf(read?.bytes)) + 1));
          const swap = await store.compareAndSwap(key, next, read?.etag ?? "");
          if (swap.outcome === "swapped") wins += 1;
        }
        return wins;
      };
      const wins = await Promise.all(Array.from({ length: 8 }, writer));
      const total = wins.reduce((sum, count) => sum + count, 0);
      expect(Number(textOf((await store.get(key))?.bytes))).toBe(total);
      expect(total).toBeGreaterThanOrEqual(25);
    });
  });

  describe("listing", () => describeListing(test, () => store));

  test("keys that some adapter or client could not hold are refused by all", async () => {
    const long = "k".repeat(1025);
    for (const key of ["", "/a", "a/", "a//b", "a/../b", "./a", "a\u0000b", "a\nb", "\ud800", long]) {
      await expect(store.get(key)).rejects.toMatchObject({ code: "invalid-key" });
      await expect(store.putIfAbsent(key, bytesOf("x"))).rejects.toMatchObject({ code: "invalid-key" });
    }
  });

  test("listeners hear of created objects under their prefix, key decoded, until they stop listening", async () => {
    const prefix = `${folder()}/`;
    const heard = new Set<string>();
    const stop = harness.listen(prefix, ({ key }) => heard.add(key));
    await store.putIfAbsent(`${prefix}a b+c%20é`, bytesOf("x"));
    await store.putIfAbsent(`${folder()}/elsewhere`, bytesOf("x"));
    await store.compareAndSwap(`${prefix}swapped`, bytesOf("x"), null);
    await waitUntil(harness.passTime, "both events came", async () => heard.size >= 2);
    expect(heard).toEqual(new Set([`${prefix}a b+c%20é`, `${prefix}swapped`]));
    stop();
  });
}
