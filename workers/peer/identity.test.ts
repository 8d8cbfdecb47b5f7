import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { toHex } from "../../schemas/index.ts";
import { loadIdentity } from "./identity.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "outerloop-identity-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));
let count = 0;
let folder: string;
beforeEach(() => {
  folder = join(root, String(count++), "deep");
});
const file = () => join(folder, "key");
const modeOf = async () => ((await stat(file())).mode & 0o777).toString(8);

describe("an identity", () => {
  it("is made once and found again", async () => {
    const made = await loadIdentity(folder);
    expect((await loadIdentity(folder)).publicKey).toBe(made.publicKey);
    expect(await readFile(file(), "utf8")).toBe(`${toHex(made.seed)}\n`);
  });

  it("is another one in every folder, unless a seed is given", async () => {
    const [one, two] = [await loadIdentity(folder), await loadIdentity(join(folder, "other"))];
    expect(one.publicKey).not.toBe(two.publicKey);
    const seed = new Uint8Array(32).fill(7);
    expect((await loadIdentity(join(folder, "third"), seed)).seed).toEqual(seed);
  });

  it("is not replaced by a seed given later", async () => {
    const made = await loadIdentity(folder);
    expect((await loadIdentity(folder, new Uint8Array(32).fill(7))).publicKey).toBe(made.publicKey);
  });

  it("may be read by its owner alone, whatever the umask allows", async () => {
    const umask = process.umask(0);
    try {
      await loadIdentity(folder);
    } finally {
      process.umask(umask);
    }
    expect(await modeOf()).toBe("600");
  });

  // It once was so: only the process that makes the file looks at its mode; a copied one stays open to all.
  it("that others could read is closed to them, or refused, when it is used", async () => {
    await loadIdentity(folder);
    await chmod(file(), 0o644);
    await loadIdentity(folder).catch(() => {});
    expect(await modeOf()).toBe("600");
  });

  it.each(["", "\n", "00", `${"0".repeat(63)}\n`, `${"0".repeat(65)}\n`, "G".repeat(64), "A".repeat(64)])(
    "that reads %j is refused and left as it is: it may be somebody's",
    async (text) => {
      await mkdir(folder, { recursive: true });
      await writeFile(file(), text);
      await expect(loadIdentity(folder)).rejects.toMatchObject({ code: "invalid-key" });
      expect(await readFile(file(), "utf8")).toBe(text);
    },
  );

  it("that cannot be read is not replaced", async () => {
    await mkdir(file(), { recursive: true });
    await expect(loadIdentity(folder)).rejects.toThrow();
    expect((await stat(file())).isDirectory()).toBe(true);
  });

  it("is made by one of two processes that start at once; the other one fails and leaves it alone", async () => {
    const started = await Promise.allSettled([loadIdentity(folder), loadIdentity(folder)]);
    const made = started.flatMap((one) => (one.status === "fulfilled" ? [one.value.publicKey] : []));
    expect(new Set(made).size).toBe(1);
    expect((await loadIdentity(folder)).publicKey).toBe(made[0]);
  });
});
