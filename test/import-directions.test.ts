/**
 * The import directions are a rule, and the rule bites: each border is crossed once here, on paper.
 */
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "outerloop-imports-"));
  const config = JSON.parse(await readFile(join(ROOT, "biome.json"), "utf8"));
  // The project's own rules, in a folder that is no repository.
  await writeFile(
    join(folder, "biome.json"),
    JSON.stringify({ ...config, $schema: undefined, vcs: { enabled: false } }),
  );
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What the linter says of a file with this content at that path. */
async function lint(path: string, source: string): Promise<string> {
  const file = join(folder, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, source);
  const { stdout, stderr } = spawnSync(
    join(ROOT, "node_modules/.bin/biome"),
    ["lint", "--colors=off", path],
    {
      cwd: folder,
      encoding: "utf8",
    },
  );
  return stdout + stderr;
}

const importing = (what: string) => `import * as x from "${what}";\nexport const y = x;\n`;

it.each([
  ["schemas/new.ts", "../native/codec.ts"],
  ["native/new.ts", "../functions/coordinator/decide.ts"],
  ["functions/storage/new.ts", "../../workers/peer/peer.ts"],
  ["functions/coordinator/new.ts", "../storage/object-store.ts"],
  ["functions/coordinator/new.ts", "node:fs/promises"],
  ["workers/peer/new.ts", "../local/up.ts"],
  ["workers/evaluator/new.ts", "../../functions/rounds/advance.ts"],
  ["workers/model/new.ts", "onnxruntime-node"],
])("%s may not import %s", async (path, what) => {
  expect(await lint(path, importing(what))).toMatch(/noRestrictedImports/);
});

it.each([
  ["native/new.ts", "../schemas/index.ts"],
  ["functions/rounds/new.ts", "../coordinator/decide.ts"],
  ["workers/peer/new.ts", "../../functions/coordinator/assignment.ts"],
  ["workers/local/new.ts", "../../functions/rounds/advance.ts"],
])("%s may import %s", async (path, what) => {
  const verdict = await lint(path, importing(what));
  expect(verdict).toMatch(/Checked 1 file/);
  expect(verdict).not.toMatch(/noRestrictedImports/);
});
