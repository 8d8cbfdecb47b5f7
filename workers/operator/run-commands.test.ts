/**
 * `run create` and `run control` at a server that keeps conditional writes: what is refused, and what is left behind then.
 */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { signingKey } from "../../schemas/index.ts";
import { quickStartConfig } from "../local/quick-start.ts";
import type { CloudStorage } from "../local/run-folder.ts";
import { type ControlKind, runControlCommand } from "./run-control.ts";
import { runCreateCommand } from "./run-create.ts";
import { storageOptions } from "./storage-options.ts";
import { type CarelessS3, startCarelessS3 } from "./testing/careless-s3.ts";

let folder: string;
let server: CarelessS3;
const printed = vi.spyOn(process.stdout, "write");

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "outerloop-operator-"));
  server = await startCarelessS3({ conditions: true });
  vi.stubEnv("AWS_ACCESS_KEY_ID", "anybody");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "any-secret");
  printed.mockReset().mockReturnValue(true);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

const storage = (): CloudStorage => ({ kind: "s3", ...storageOptions({ endpoint: server.endpoint }) });

async function create(): Promise<string> {
  const textFile = join(folder, "text");
  await writeFile(textFile, "Call me Ishmael. ".repeat(500));
  await runCreateCommand({
    storage: storage(),
    slug: "first-run",
    evaluators: [signingKey().publicKey],
    secrets: `file:${join(folder, "secrets")}`,
    roots: join(folder, "roots"),
    configFile: undefined,
    textFile,
    rounds: 3,
    minPeers: 2,
    printConfig: false,
    json: true,
  });
  return JSON.parse(String(printed.mock.lastCall?.[0])).run;
}

const control = (run: string, kind: ControlKind, configFile?: string) =>
  runControlCommand({
    storage: storage(),
    run,
    roots: join(folder, "roots"),
    kind,
    reason: "",
    evaluators: [],
    configFile,
  });

it("a configuration that no reader would take is refused before it is signed", async () => {
  const run = await create();
  const config = quickStartConfig({ rounds: 3, peers: 2, deterministic: true });
  const file = join(folder, "config.json");
  const controls = () => server.keys().filter((key) => key.includes("/controls/"));

  await writeFile(file, JSON.stringify({ ...config, model: { ...config.model, width: 128 } }));
  await expect(control(run, "config", file)).rejects.toMatchObject({
    code: "fixed-field",
    details: { fields: ["model.width"] },
  });
  expect(controls()).toEqual([]);

  await writeFile(file, JSON.stringify({ ...config, rounds: 9 }));
  await control(run, "config", file);
  expect(controls()).toHaveLength(1);
});

it("a configuration that is none is refused in one line that names its fields", async () => {
  const run = await create();
  const file = join(folder, "config.json");
  await writeFile(file, JSON.stringify({ rounds: 0 }));
  const refused: Error = await control(run, "config", file).then(
    () => new Error("taken"),
    (error) => error,
  );
  expect(refused).toMatchObject({ code: "wrong-config" });
  expect(refused.message).toMatch(/config\.json .*got rounds: /);
  expect(refused.message).not.toContain("\n");
});

it("at a store on which no run can stand no root key is made", async () => {
  await server.close();
  server = await startCarelessS3();
  await expect(create()).rejects.toMatchObject({ code: "unconditional-store" });
  expect(await readdir(folder)).toEqual(["text"]);
});
