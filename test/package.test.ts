/**
 * What `npm pack` makes, used elsewhere: JavaScript that Node runs within node_modules, and the native codec as it was built here.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadCodec } from "../native/codec.ts";

const here = resolve(import.meta.dirname, "..");
let folder: string;
let installed: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "outerloop-package-"));
  const packed = run("npm", ["pack", "--json", "--pack-destination", folder], { cwd: here });
  const [{ filename }] = JSON.parse(packed.slice(packed.indexOf("["))) as [{ filename: string }];
  const modules = join(folder, "node_modules");
  installed = join(modules, "outerloop");
  await mkdir(installed, { recursive: true });
  run("tar", ["xzf", join(folder, filename), "--strip-components=1", "-C", installed]);
  // Its dependencies, without a registry.
  const { dependencies } = JSON.parse(await readFile(join(here, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  for (const name of new Set(Object.keys(dependencies).map((full) => full.split("/")[0] as string)))
    await symlink(join(here, "node_modules", name), join(modules, name));
}, 120_000);
afterAll(() => rm(folder, { recursive: true }));

describe("the package", () => {
  it("leaves no JavaScript behind where it was made", () => {
    expect(existsSync(join(here, "workers/cli/main.mjs"))).toBe(false);
  });

  it("holds no TypeScript, no tests and no fuzzers, but all to build the codec where it is not built yet", async () => {
    const files = await readdir(installed, { recursive: true });
    expect(files.filter((name) => /\.ts$|\.test\.|testing|native\/fuzz/.test(name))).toEqual([]);
    expect(files).toEqual(
      expect.arrayContaining(["native/build.mjs", "native/addon.cc", "README.md", "LICENSE"]),
    );
  });

  it("gives its codec to other programs, with the same addon", async () => {
    const program = join(folder, "program.mjs");
    await writeFile(
      program,
      'import { loadCodec } from "outerloop/codec";\nconsole.log(loadCodec().backend);\n',
    );
    expect(run(process.execPath, [program])).toBe(`${loadCodec().backend}\n`);
  });

  it.runIf(loadCodec().backend === "native")(
    "builds nothing where the addon fits, and builds it where it is gone",
    async () => {
      const build = join(installed, "native/build.mjs");
      expect(run(process.execPath, [build, "--if-needed"])).toBe("");
      await rm(join(installed, "prebuilds"), { recursive: true });
      // The script needs its headers from the dependency beside it.
      expect(run(process.execPath, [build, "--if-needed"])).toMatch(/^native codec: built with /);
    },
    120_000,
  );

  it("runs a run: coordinator, peers and evaluator, each in a process of its own", () => {
    const data = join(folder, "data");
    const args = [join(installed, "bin/outerloop.js"), "up", "--rounds", "1", "--json", "--data-dir", data];
    const result = JSON.parse(run(process.execPath, args)) as { rounds: unknown[]; codec: string };
    expect(result.rounds).toHaveLength(1);
    expect(result.codec).toBe(loadCodec().backend);
  }, 120_000);
});

function run(command: string, args: string[], { cwd = folder }: { cwd?: string } = {}): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
  return stdout;
}
