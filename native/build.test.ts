import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const script = fileURLToPath(new URL("build.mjs", import.meta.url));

/** The processor that this machine does not have. */
const [OTHER, CROSS_COMPILER] =
  process.arch === "arm64" ? ["linux-x64", "x86_64-linux-gnu-g++"] : ["linux-arm64", "aarch64-linux-gnu-g++"];

describe("an install", () => {
  test("without a compiler succeeds and says in one line what it costs", () => {
    const { status, stdout, stderr } = build({ PATH: "", CXX: "" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^native codec: not built \(no C\+\+ compiler.*TypeScript codec takes over.*\n$/);
  });

  test("with a compiler that fails succeeds and gives its first error", () => {
    const folder = mkdtempSync(join(tmpdir(), "outerloop-"));
    const compiler = join(folder, "c++");
    writeFileSync(
      compiler,
      '#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "addon.cc:1: error: nonsense" >&2\nexit 1\n',
    );
    chmodSync(compiler, 0o755);
    try {
      const { status, stdout } = build({ CXX: compiler });
      expect(status).toBe(0);
      expect(stdout).toMatch(/^native codec: not built \(.* failed: addon.cc:1: error: nonsense\).*\n$/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("a build for another machine", () => {
  test("without its compiler fails, and names the package that has it", () => {
    const { status, stdout } = build({ PATH: "" }, "--target", OTHER);
    expect(status).toBe(1);
    expect(stdout).toMatch(
      /^native codec: not built \(no compiler \S+-linux-gnu-g\+\+: on Debian .* package g\+\+-.*\n$/,
    );
  });

  test("refuses a machine that it cannot build for", () => {
    const { status, stdout } = build({}, "--target", "linux-riscv64");
    expect(status).toBe(1);
    expect(stdout).toContain("no target linux-riscv64: expected linux-arm64 or linux-x64");
  });

  test.skipIf(spawnSync(CROSS_COMPILER, ["--version"]).status !== 0)(
    "makes an addon for that machine",
    () => {
      const { status, stdout } = build({}, "--target", OTHER);
      expect({ status, stdout }).toEqual({
        status: 0,
        stdout: `native codec: built for ${OTHER} with ${CROSS_COMPILER}\n`,
      });
      const addon = readFileSync(new URL(`../prebuilds/${OTHER}/outerloop.glibc.node`, import.meta.url));
      // The machine in the head of an ELF file: 183 is AArch64, 62 is x86-64.
      expect([addon.toString("latin1", 1, 4), addon.readUInt16LE(18)]).toEqual([
        "ELF",
        OTHER === "linux-arm64" ? 183 : 62,
      ]);
    },
  );
});

function build(env: Record<string, string>, ...options: string[]) {
  return spawnSync(process.execPath, [script, ...options], {
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
}
