import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const script = fileURLToPath(new URL("build.mjs", import.meta.url));

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

function build(env: Record<string, string>) {
  return spawnSync(process.execPath, [script], { encoding: "utf8", env: { ...process.env, ...env } });
}
