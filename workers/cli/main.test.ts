/**
 * What a person gets wrong is one line on stderr, whoever notices; Ctrl-C ends what waits.
 */
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { signingKey } from "../../schemas/index.ts";
import { outerloopIn } from "../../test/support/up.ts";
import { startCarelessS3 } from "../operator/testing/careless-s3.ts";
import { main } from "./main.ts";

const KEY = signingKey().publicKey;

let folder: string;
/** A file where a folder is wanted, and the other way round. */
let file: string;
let badConfig: string;
let endpoint: string;
let close: () => Promise<void>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "outerloop-main-"));
  file = join(folder, "file");
  await writeFile(file, "not a folder\n");
  badConfig = join(folder, "bad.json");
  await writeFile(badConfig, '{ "rounds": 0,\n "surplus": 1 }');
  ({ endpoint, close } = await startCarelessS3({ conditions: true }));
});
afterAll(async () => {
  await close();
  await rm(folder, { recursive: true, force: true });
});

let said: string;
beforeEach(() => {
  said = "";
  vi.spyOn(process.stdout, "write").mockReturnValue(true);
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    said += String(text);
    return true;
  });
  vi.stubEnv("AWS_ACCESS_KEY_ID", "anybody");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "any-secret");
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

/** Exit status, and all that stderr was told, which must be one line. */
async function refused(args: string[]): Promise<{ status: number; line: string }> {
  const status = await main(args);
  const lines = said.split("\n");
  expect(lines).toEqual([expect.stringMatching(/^outerloop/), ""]);
  return { status, line: lines[0] ?? "" };
}

const create = (...args: string[]) => [
  ...["run", "create", "--endpoint", endpoint, "--evaluators", KEY, "--secrets", `file:${folder}/secrets`],
  ...args,
];
const control = (...args: string[]) => ["run", "control", "--endpoint", endpoint, "--run", "r", ...args];

it.each([
  ["a text that is not there", () => create("--text", join(folder, "nope")), /--text takes a file.*nope/, 2],
  ["a file for the roots' folder", () => create("--roots", file), /file/, 1],
  [
    "a configuration that is none",
    () => create("--config", badConfig),
    /bad\.json.*got rounds: .*; model: /,
    1,
  ],
  ["a configuration that is not JSON", () => create("--config", file), /got Unexpected token/, 1],
  ["a place of secrets that is none", () => create("--secrets", "drawer"), /ssm:.*file:.*drawer/, 2],
  ["a file for a key's folder", () => ["key", "--data-dir", file], /file/, 1],
] as const)("%s", async (_, args, words, wanted) => {
  const { status, line } = await refused(args());
  expect(status).toBe(wanted);
  expect(line).toMatch(words);
});

it("a file for a run's folder", async () => {
  const { status, stderr } = await outerloopIn(process.env, "up", "--data-dir", file).ended;
  expect(status).toBe(1);
  expect(stderr.trim()).toMatch(/^outerloop: .*$/);
});

it("names the commands of two words that begin with a word", async () => {
  expect(await refused(["run", "--rounds", "3"])).toEqual({
    status: 2,
    line: 'outerloop: no command "run"; try: outerloop run create, outerloop run control',
  });
});

it.each(["constructor", "toString", "dance"])('no command is named "%s"', async (name) => {
  expect(await refused([name, "--rounds", "3"])).toEqual({
    status: 2,
    line: `outerloop: no command "${name}"; try: outerloop help`,
  });
});

it("help for what is no command is the list of commands", async () => {
  expect(await main(["help", "constructor"])).toBe(0);
});

it.each([
  [["coordinator", "--secrets", "file:x"], /--secrets goes with --store s3/],
  [["coordinator", "--store", "s3", "--secrets", "file:x", "--data-dir", "d"], /--data-dir goes without/],
  [["coordinator", "--notify", "none"], /--notify/],
  [["status", "--coordinator", "http://x", "--store", "s3"], /--store goes without --coordinator/],
  [["status", "--coordinator", "http://x", "--data-dir", "d"], /--data-dir goes without --coordinator/],
  [["status", "--store", "s3", "--data-dir", "d"], /--data-dir goes without --store s3/],
  [["status", "--notify", "none"], /--notify/],
  [["up", "--notify", "none"], /--notify goes with --store s3/],
  [["run", "create", "--config", "f", "--rounds", "5"], /--rounds goes without --config/],
  [["run", "create", "--config", "f", "--min-peers", "5"], /--min-peers goes without --config/],
  [["run", "create", "--notify", "none"], /--notify/],
  [["run", "control", "--notify", "none"], /--notify/],
  [["run", "control", "--run", "r", "--say", "pause", "--evaluators", KEY], /--evaluators goes with/],
  [["run", "control", "--run", "r", "--say", "pause", "--config", "f"], /--config goes with/],
  [["run", "control", "--run", "r", "--say", "resume", "--reason", "x"], /--reason goes with/],
  [["run", "control", "--run", "r", "--say", "config"], /--config FILE is needed/],
])("%j would be ignored in part, and is refused", async (args, words) => {
  const { status, line } = await refused(args);
  expect(status).toBe(2);
  expect(line).toMatch(words);
});

it("a run that is not there", async () => {
  const { status, line } = await refused(control("--say", "pause"));
  expect(status).toBe(1);
  expect(line).toMatch(/the bucket has no run r/);
});

it("Ctrl-C ends a command that waits for a dead store at once, and no key is left", async () => {
  // It takes every connection and answers none.
  const connected = Promise.withResolvers<void>();
  const dead = createServer(() => connected.resolve()).listen(0, "127.0.0.1");
  await once(dead, "listening");
  const address = dead.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const roots = join(folder, "roots");
  const running = outerloopIn(
    process.env,
    ...create("--roots", roots, "--endpoint", `http://127.0.0.1:${port}`),
  );
  await connected.promise;
  running.process.kill("SIGINT");
  await running.ended;
  expect(running.process.signalCode).toBe("SIGINT");
  expect(existsSync(roots)).toBe(false);
  dead.close();
});
