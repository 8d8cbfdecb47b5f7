/**
 * The part of the object store contract that is about listings: S3 sorts whole keys by their UTF-8 bytes.
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import type { Property } from "./contract-harness.ts";
import { listAll, type ObjectStore } from "./object-store.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

const inByteOrder = (keys: readonly string[]) =>
  [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

/** Registers the tests, within a `describe` of the suite. */
export function describeListing(test: Property, store: () => ObjectStore): void {
  const folder = () => `contract/${randomUUID()}`;
  const keysUnder = async (prefix: string) => {
    const keys: string[] = [];
    for await (const { key } of listAll(store(), prefix)) keys.push(key.slice(prefix.length));
    return keys;
  };

  const put = async (prefix: string, keys: readonly string[]) => {
    for (const key of keys) await store().putIfAbsent(prefix + key, bytesOf(key));
  };

  test("keys come in the order of their bytes, whatever their folders", async () => {
    const prefix = `${folder()}/`;
    const keys = ["a-b", "a/b/c", "a/b0", "a/c", "a0", "a1/x-", "B", "é", "\u{ffee}", "\u{1f600}", "z"];
    await put(prefix, [...keys].reverse());
    expect(await keysUnder(prefix)).toEqual(inByteOrder(keys));
  });

  test("a key and keys below it exist side by side", async () => {
    const prefix = `${folder()}/`;
    const long = "x".repeat(75);
    const keys = ["a", "a-b", "a/b", "a/b/c", "a0", long, `${long}/y`, `${long}-`, `${long}z/y`];
    await put(prefix, [...keys].reverse());
    expect(await keysUnder(prefix)).toEqual(inByteOrder(keys));
    for (const key of keys) expect(textOf((await store().get(prefix + key))?.bytes)).toBe(key);
  });

  test("spaces, plus signs, percent signs, quotes and long names survive", async () => {
    const prefix = `${folder()}/`;
    const keys = [
      "a b",
      "b ",
      " c",
      "a+b",
      "a%20b",
      "%",
      "100%/x",
      "q?a=b&c#d",
      "it's",
      "tilde~",
      "dollar$",
      "bang!",
      ".hidden",
    ];
    const all = [...keys, "ü".repeat(120), "x".repeat(75), `${"x".repeat(75)}z/y`, "UPPER", "upper"];
    await put(prefix, all);
    expect(await keysUnder(prefix)).toEqual(inByteOrder(all));
    for (const key of all) expect(textOf((await store().get(prefix + key))?.bytes)).toBe(key);
  });

  test("a prefix need not end at a slash, and a page begins after any string", async () => {
    const prefix = `${folder()}/`;
    await put(prefix, ["r/1/a", "r/1/b", "r/10", "r/2/a", "s"]);
    expect(await keysUnder(`${prefix}r/1`)).toEqual(["/a", "/b", "0"]);
    expect(await keysUnder(`${prefix}r/1/`)).toEqual(["a", "b"]);
    expect(await keysUnder(`${prefix}nothing/`)).toEqual([]);
    const keysAfter = async (key: string) => {
      const page = await store().list(prefix, { after: prefix + key });
      return page.objects.map((object) => object.key.slice(prefix.length));
    };
    expect(await keysAfter("r/1/a")).toEqual(["r/1/b", "r/10", "r/2/a", "s"]);
    expect(await keysAfter("r/1/aa")).toEqual(["r/1/b", "r/10", "r/2/a", "s"]);
    expect(await keysAfter("r/1")).toEqual(["r/1/a", "r/1/b", "r/10", "r/2/a", "s"]);
    expect(await keysAfter("t")).toEqual([]);
  });

  test("pages are full, follow on each other and end with null", async () => {
    const prefix = `${folder()}/`;
    const keys = Array.from({ length: 7 }, (_, index) => `k${index}`);
    await put(prefix, keys);
    const pages: string[][] = [];
    for (let after: string | null = ""; after !== null; ) {
      const page: Awaited<ReturnType<ObjectStore["list"]>> = await store().list(prefix, {
        limit: 3,
        ...(after === "" ? {} : { after }),
      });
      pages.push(page.objects.map((object) => object.key.slice(prefix.length)));
      after = page.next;
    }
    expect(pages).toEqual([["k0", "k1", "k2"], ["k3", "k4", "k5"], ["k6"]]);
    expect((await store().list(prefix, { limit: 7 })).next).toBeNull();
  });

  test("a listing says of an object what head says", async () => {
    const prefix = `${folder()}/`;
    await put(prefix, ["same"]);
    expect((await store().list(prefix)).objects).toEqual([await store().head(`${prefix}same`)]);
  });

  test("a created object is listed at once", async () => {
    const prefix = `${folder()}/`;
    for (let index = 0; index < 10; index += 1) {
      await store().putIfAbsent(`${prefix}${index}`, bytesOf(""));
      expect(await keysUnder(prefix)).toHaveLength(index + 1);
    }
  });
}
