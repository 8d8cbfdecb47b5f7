import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openDurableFolder } from "./durable-folder.ts";
import { placeOf } from "./file-names.ts";
import { createFileObjectStore } from "./file-object-store.ts";
import { openCurrent, replaceCurrent, statCurrent } from "./file-versions.ts";
import { createMemoryObjectStore } from "./memory-object-store.ts";

const tickets = { ticketSecret: "a secret of the test suite", baseUrl: "http://store.test" };
const bytesOf = (text: string) => new TextEncoder().encode(text);

describe("the file store", () => {
  let root = "";
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "outerloop-objects-"));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const open = () => createFileObjectStore({ root, ...tickets });
  const temporaries = () => readdirSync(join(root, "temporary"));

  test("leaves no temporary file behind, whoever won", async () => {
    const store = open();
    await Promise.all(Array.from({ length: 5 }, (_, index) => store.putIfAbsent("a", bytesOf(`${index}`))));
    const { etag = "" } = (await store.head("a")) ?? {};
    await Promise.all(
      Array.from({ length: 5 }, (_, index) => store.compareAndSwap("a", bytesOf(`${index}`), etag)),
    );
    await store.delete("a");
    expect(temporaries()).toEqual([]);
  });

  test("a start removes what a killed process left long ago, and nothing that may be in use", () => {
    open();
    const path = join(root, "temporary", "in-use");
    writeFileSync(path, "half of an obj");
    // An old modification time proves nothing: writers set it. Only the change time counts, which nobody can set.
    utimesSync(path, 1, 1);
    open();
    expect(temporaries()).toEqual(["in-use"]);
  });

  // Versions are found by what tells an object from one deleted before it, which no copy keeps.
  test.each([true, false])(
    "a copy of its folder is the same store, times kept: %s",
    async (preserveTimestamps) => {
      const store = open();
      for (const key of ["kept", "run/head.json"]) {
        await store.putIfAbsent(key, bytesOf("1"));
        for (const version of ["2", "3"])
          await store.compareAndSwap(key, bytesOf(version), (await store.head(key))?.etag ?? null);
      }
      const copied = `${root}-copy`;
      cpSync(root, copied, { recursive: true, preserveTimestamps });
      try {
        const copy = createFileObjectStore({ root: copied, ...tickets });
        expect((await copy.list("")).objects.map(({ key }) => key)).toEqual(["kept", "run/head.json"]);
        const head = await copy.get("run/head.json");
        expect(head?.bytes).toEqual(bytesOf("3"));
        expect((await copy.compareAndSwap("run/head.json", bytesOf("4"), head?.etag ?? null)).outcome).toBe(
          "swapped",
        );
        expect((await copy.get("run/head.json"))?.bytes).toEqual(bytesOf("4"));
        await copy.delete("run/head.json");
        await copy.putIfAbsent("run/head.json", bytesOf("5"));
        expect((await copy.get("run/head.json"))?.bytes).toEqual(bytesOf("5"));
        expect((await copy.get("kept"))?.bytes).toEqual(bytesOf("3"));
      } finally {
        rmSync(copied, { recursive: true });
      }
    },
  );

  test("a process that slept over later versions loses its swap, even with every old name free again", async () => {
    const store = open();
    const folder = openDurableFolder(root);
    const { path } = placeOf(folder.content, "head.json");
    const put = await store.compareAndSwap("head.json", bytesOf("1"), null);
    const asleep = await statCurrent(path);
    let etag = put.outcome === "swapped" ? put.info.etag : "";
    for (let version = 2; version < 6; version += 1) {
      const swap = await store.compareAndSwap("head.json", bytesOf(`${version}`), etag);
      etag = swap.outcome === "swapped" ? swap.info.etag : "";
      if (asleep === null) throw new Error("head.json was just created");
      const candidate = await folder.writeTemporary(bytesOf("too late"), Date.now);
      expect(await replaceCurrent(folder, path, asleep, candidate)).toBe(false);
      expect((await store.head("head.json"))?.etag).toBe(etag);
    }
  });

  test("a process that slept over a deletion and a new creation loses its swap", async () => {
    const store = open();
    const folder = openDurableFolder(root);
    const { path } = placeOf(folder.content, "head.json");
    await store.putIfAbsent("head.json", bytesOf("1"));
    const asleep = await statCurrent(path);
    await store.delete("head.json");
    await store.putIfAbsent("head.json", bytesOf("2"));
    if (asleep === null) throw new Error("head.json was just created");
    expect(
      await replaceCurrent(folder, path, asleep, await folder.writeTemporary(bytesOf("x"), Date.now)),
    ).toBe(false);
    expect((await store.get("head.json"))?.bytes).toEqual(bytesOf("2"));
  });

  test("an open version stays readable while it is replaced", async () => {
    const store = open();
    const { path } = placeOf(openDurableFolder(root).content, "head.json");
    await store.putIfAbsent("head.json", bytesOf("one"));
    const swap = await store.compareAndSwap(
      "head.json",
      bytesOf("two"),
      (await store.head("head.json"))?.etag ?? "",
    );
    const reading = await openCurrent(path);
    await store.compareAndSwap(
      "head.json",
      bytesOf("three"),
      swap.outcome === "swapped" ? swap.info.etag : "",
    );
    expect(await reading?.file.readFile("utf8")).toBe("two");
    await reading?.file.close();
  });

  test("old versions do not pile up", async () => {
    const store = open();
    let etag: string | null = null;
    for (let version = 0; version < 20; version += 1) {
      const swap: Awaited<ReturnType<typeof store.compareAndSwap>> = await store.compareAndSwap(
        "h",
        bytesOf("x"),
        etag,
      );
      etag = swap.outcome === "swapped" ? swap.info.etag : null;
    }
    const files = readdirSync(join(root, "content"), { recursive: true, withFileTypes: true });
    expect(files.filter((file) => file.isFile())).toHaveLength(2);
  });

  test("the modification time is when the object appeared, also after a swap", async () => {
    let nowMs = 1_900_000_000_900;
    const store = createFileObjectStore({ root, ...tickets, now: () => nowMs });
    await store.putIfAbsent("a", bytesOf("1"));
    expect((await store.head("a"))?.lastModifiedMs).toBe(1_900_000_000_000);
    nowMs += 60_000;
    await store.compareAndSwap("a", bytesOf("2"), (await store.head("a"))?.etag ?? "");
    expect((await store.head("a"))?.lastModifiedMs).toBe(1_900_000_060_000);
  });

  test("a listing goes only into folders that can hold a wanted key", async () => {
    const store = open();
    await store.putIfAbsent("a/1/x", bytesOf("x"));
    await store.putIfAbsent("a/2/x", bytesOf("x"));
    // A file where a folder should be: whoever opens it as one fails.
    for (const name of ["0", "3"]) writeFileSync(join(root, "content", "a+", `${name}+`), "");
    writeFileSync(join(root, "content", "b+"), "");
    expect((await store.list("a/2")).objects).toHaveLength(1);
    expect((await store.list("a/1/")).objects).toHaveLength(1);
    expect((await store.list("a/", { after: "a/1", limit: 1 })).objects).toHaveLength(1);
  });

  test("strangers' files in the folder are no objects", async () => {
    const store = open();
    mkdirSync(join(root, "content"), { recursive: true });
    writeFileSync(join(root, "content", ".DS_Store"), "");
    expect((await store.list("")).objects).toEqual([]);
  });

  test("a marked object without its versions is reported, not waited for", async () => {
    const store = open();
    const swap = await store.compareAndSwap("a", bytesOf("1"), null);
    await store.compareAndSwap("a", bytesOf("2"), swap.outcome === "swapped" ? swap.info.etag : "");
    const [versions = ""] = readdirSync(join(root, "content")).filter((name) => name.startsWith("a!"));
    rmSync(join(root, "content", versions), { recursive: true });
    await expect(store.get("a")).rejects.toMatchObject({ code: "store-damaged" });
  });

  test("it lists like the memory store, whatever the keys, prefixes, pages and starts", async () => {
    const piece = fc.constantFrom(
      "a",
      "b",
      "B",
      "ab",
      "a-",
      "a.b",
      "%",
      "é",
      "\u{1f600}",
      "$",
      "+",
      "~",
      "x".repeat(75),
    );
    const segment = fc.array(piece, { minLength: 1, maxLength: 2 }).map((pieces) => pieces.join(""));
    const key = fc.array(segment, { minLength: 1, maxLength: 3 }).map((segments) => segments.join("/"));
    const part = fc
      .tuple(key, fc.nat({ max: 8 }))
      .map(([text, length]) => [...text].slice(0, length).join(""));
    const listing = fc.record({
      prefix: part,
      after: fc.option(part, { nil: undefined }),
      limit: fc.integer({ min: 1, max: 5 }),
    });
    let run = 0;
    const property = fc.asyncProperty(
      fc.uniqueArray(key, { maxLength: 12 }),
      fc.array(listing, { maxLength: 8 }),
      async (keys, listings) => {
        run += 1;
        const file = createFileObjectStore({ root: join(root, `${run}`), ...tickets });
        const memory = createMemoryObjectStore(tickets);
        await Promise.all(keys.map((each) => file.putIfAbsent(each, bytesOf(each))));
        for (const each of keys) await memory.putIfAbsent(each, bytesOf(each));
        for (const { prefix, after, limit } of listings) {
          const options = { limit, ...(after === undefined ? {} : { after }) };
          const [one, other] = await Promise.all([file.list(prefix, options), memory.list(prefix, options)]);
          expect(one.objects.map((object) => object.key)).toEqual(other.objects.map((object) => object.key));
          expect(one.next).toBe(other.next);
        }
      },
    );
    await fc.assert(property, { numRuns: 60, seed: 7 });
    expect(existsSync(join(root, "1"))).toBe(true);
  });
});
