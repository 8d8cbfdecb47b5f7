import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const script = fileURLToPath(new URL("container-start.sh", import.meta.url));
const key = "ab".repeat(32);
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "outerloop-container-"));
  // In the evaluator's place: says what it was started with, and whether it could still see the key.
  const node = join(folder, "node");
  writeFileSync(
    node,
    `#!/bin/sh\nshift\necho "$@"\necho "key in environment: \${OUTERLOOP_EVALUATOR_KEY:-none}"\n`,
  );
  chmodSync(node, 0o755);
});
afterEach(() => rmSync(folder, { recursive: true }));

function start(environment: Record<string, string>) {
  const { status, stdout, stderr } = spawnSync("sh", [script], {
    encoding: "utf8",
    env: {
      PATH: `${folder}:${process.env.PATH}`,
      OUTERLOOP_DATA: join(folder, "data"),
      OUTERLOOP_KEY_FILE: join(folder, "mounted"),
      ...environment,
    },
  });
  return { status, stdout, stderr };
}

describe("the container of an evaluator", () => {
  const coordinator = { OUTERLOOP_COORDINATOR: "https://coordinator.example.org" };
  const command = `evaluator --coordinator https://coordinator.example.org --data-dir`;

  it("takes its key from the environment, out of which it goes", () => {
    const { status, stdout } = start({ ...coordinator, OUTERLOOP_EVALUATOR_KEY: key });
    expect(status).toBe(0);
    expect(stdout).toBe(`${command} ${folder}/data\nkey in environment: none\n`);
    expect(readFileSync(join(folder, "data/key"), "utf8")).toBe(`${key}\n`);
    expect(statSync(join(folder, "data/key")).mode & 0o777).toBe(0o600);
  });

  it("takes its key from a mounted file", () => {
    writeFileSync(join(folder, "mounted"), `${key}\n`);
    expect(start(coordinator).status).toBe(0);
    expect(readFileSync(join(folder, "data/key"), "utf8")).toBe(`${key}\n`);
  });

  it("works for the run that it is told", () => {
    const { stdout } = start({ ...coordinator, OUTERLOOP_EVALUATOR_KEY: key, OUTERLOOP_RUN: "run-1" });
    expect(stdout).toContain(`${command} ${folder}/data --run run-1\n`);
  });

  it("without a key, or a coordinator, says what is missing and starts nothing", () => {
    const keyless = start(coordinator);
    expect(keyless).toMatchObject({ stdout: "", stderr: expect.stringContaining("no key: mount one at") });
    expect(keyless.status).not.toBe(0);
    expect(existsSync(join(folder, "data/key"))).toBe(false);
    expect(start({})).toMatchObject({ stdout: "", stderr: expect.stringContaining("OUTERLOOP_COORDINATOR") });
  });
});
