/**
 * Installing: once, whole, and with a word on what is missing.
 */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { installServices } from "./install.ts";
import { installOnce } from "./install-once.ts";
import { runTool } from "./tools.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "outerloop-install-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(() => vi.unstubAllEnvs());

const { signal } = new AbortController();

/** A product of one file; `builds` counts how often it was made. */
function product(name: string) {
  const made = { builds: 0, waits: 0 };
  const target = join(folder, name);
  const install = (content = "whole") =>
    installOnce({
      folder: target,
      proof: "program",
      signal,
      onWait: () => void made.waits++,
      async build(draft) {
        made.builds++;
        await mkdir(draft);
        await writeFile(join(draft, "program"), content);
      },
    });
  return { made, target, install };
}

it("of several that install at once, one builds and the others wait for it", async () => {
  const { made, target, install } = product("at-once");
  await Promise.all([install(), install(), install()]);
  await install();
  expect(made).toEqual({ builds: 1, waits: 2 });
  expect(await readFile(join(target, "program"), "utf8")).toBe("whole");
});

it("what a killed install left is no part of the next one", async () => {
  const { target, install } = product("killed");
  await mkdir(`${target}.draft`);
  await writeFile(join(`${target}.draft`, "half"), "");
  await install();
  expect(existsSync(join(target, "half"))).toBe(false);
  expect(existsSync(`${target}.draft`)).toBe(false);
});

it("a program whose link leads nowhere any more is installed anew", async () => {
  const { made, target, install } = product("dangling");
  await mkdir(target);
  await symlink(join(folder, "upgraded-away"), join(target, "program"));
  await install();
  expect(made.builds).toBe(1);
  expect(await readFile(join(target, "program"), "utf8")).toBe("whole");
});

it("a failed build leaves nothing that looks installed, and the next try works", async () => {
  const target = join(folder, "failing");
  const failing = installOnce({
    folder: target,
    proof: "program",
    signal,
    onWait: () => {},
    build: async () => {
      throw new Error("no space left");
    },
  });
  await expect(failing).rejects.toThrow("no space left");
  expect(existsSync(target)).toBe(false);
  await product("failing").install();
  expect(existsSync(join(target, "program"))).toBe(true);
});

it("without go and Python it says what to install, and that Docker does it, too", async () => {
  vi.stubEnv("PATH", join(folder, "nothing-here"));
  const failure = installServices({ home: join(folder, "home"), onNote: () => {} });
  // Both are looked for at the same time, and what is found missing first is said.
  await expect(failure).rejects.toMatchObject({ code: expect.stringMatching(/^(go|python)-missing$/) });
  await expect(failure).rejects.toThrow(/(Go 1\.24|Python 3\.11) or newer.*docker compose up/s);
});

it("a Python that is too old is as good as none", async () => {
  const bin = join(folder, "old-python");
  await mkdir(bin);
  const { installLocalStack } = await import("./install.ts");
  await writeFile(join(bin, "python3"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
  vi.stubEnv("PATH", bin);
  const failure = installLocalStack({ home: join(folder, "home"), onNote: () => {} });
  await expect(failure).rejects.toMatchObject({ code: "python-missing" });
  await expect(failure).rejects.toThrow(/Python 3\.11 or newer.*docker compose up/s);
});

it("a tool that fails is quoted", async () => {
  const logFile = join(folder, "tool.log");
  const failure = runTool("sh", ["-c", "echo the disk is full >&2; exit 3"], { logFile, signal });
  await expect(failure).rejects.toMatchObject({ code: "install-failed", details: { outcome: "exit 3" } });
  await expect(failure).rejects.toThrow(/the disk is full/);
});
