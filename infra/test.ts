/**
 * `npm run test:infra`: checks the deploy without an account. Makes what SST needs if it is not there, type-checks
 * `sst.config.ts` and `infra/`, and runs the real configuration against a stand-in for Pulumi's engine.
 *
 *     npm run test:infra                                  # prints who may do what, too
 *     npm run test:infra -- --write docs/iam-matrix.md    # and writes that as Markdown
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const programs = join(root, "node_modules", ".bin");

/** Without these the command line of SST fetches Pulumi's engine and bun, which nothing here runs. */
const OFFLINE = { SST_SKIP_DEPENDENCY_CHECK: "1", SST_NO_BUN: "1", SST_TELEMETRY_DISABLED: "1" };

/** Runs a program of `node_modules`; true: it succeeded. */
function run(program: string, args: string[], environment: Record<string, string> = {}): boolean {
  const PATH = `${programs}${delimiter}${process.env.PATH}`;
  const { status } = spawnSync(join(programs, program), args, {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, PATH, ...environment },
  });
  return status === 0;
}

/** SST's components and the provider's types, as `sst install` of this version put them there. */
function hasPlatform(): boolean {
  const version = join(root, ".sst/platform/version");
  const sst: { version: string } = JSON.parse(
    readFileSync(join(root, "node_modules/sst/package.json"), "utf8"),
  );
  return (
    existsSync(version) &&
    readFileSync(version, "utf8").trim() === sst.version &&
    existsSync(join(root, ".sst/platform/node_modules/@pulumi/aws/package.json"))
  );
}

function steps(write: string | undefined): [name: string, step: () => boolean, advice: string][] {
  return [
    [
      "SST's components (first time: about a minute, 320 MB from the npm registry, into .sst/)",
      () => hasPlatform() || run("sst", ["install", "--stage", "test"], OFFLINE),
      "`sst install` failed. It needs the npm registry; with a network, remove .sst/ and run this again.",
    ],
    [
      "types of sst.config.ts and infra/",
      () => run("tsc", ["-p", "tsconfig.infra.json"]),
      "the deploy does not type-check.",
    ],
    [
      "the configuration under a stand-in for Pulumi's engine",
      () =>
        run(
          "vitest",
          ["run", "--config", "vitest.infra.config.ts"],
          write === undefined ? {} : { OUTERLOOP_WRITE_MATRIX: resolve(write) },
        ),
      "the deploy is not what its tests say it is.",
    ],
  ];
}

const { values } = parseArgs({ options: { write: { type: "string" } } });
for (const [name, step, advice] of steps(values.write)) {
  console.log(`--- ${name}`);
  if (step()) continue;
  console.error(`test:infra: ${advice}`);
  process.exit(1);
}
