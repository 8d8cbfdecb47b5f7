import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { lockFolder } from "./folder-lock.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "outerloop-lock-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it("one process at a time works in a folder, and the next one may when it is done", async () => {
  const lock = await lockFolder(folder, "up");
  await expect(lockFolder(folder, "up")).rejects.toMatchObject({ code: "already-running" });
  await lock.release();
  await (await lockFolder(folder, "up")).release();
});

it("locks of different folders and purposes do not meet", async () => {
  const locks = await Promise.all([
    lockFolder(folder, "up"),
    lockFolder(folder, "peer"),
    lockFolder(join(folder, "x"), "up"),
  ]);
  await Promise.all(locks.map((lock) => lock.release()));
});

it("a lock whose holder was killed is free", async () => {
  const module = new URL("./folder-lock.ts", import.meta.url).href;
  const script = `const { lockFolder } = await import(${JSON.stringify(module)});
    await lockFolder(${JSON.stringify(folder)}, "up"); console.log("held"); setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(holder.stdout, "data");
  await expect(lockFolder(folder, "up")).rejects.toMatchObject({ code: "already-running" });
  holder.kill("SIGKILL");
  await once(holder, "exit");
  // Once two that came at the same time could both have it.
  const takers = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(folder, "up")));
  const locks = takers.flatMap((taker) => (taker.status === "fulfilled" ? [taker.value] : []));
  expect(locks).toHaveLength(1);
  await locks[0]?.release();
});
