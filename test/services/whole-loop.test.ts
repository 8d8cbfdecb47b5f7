/**
 * The whole loop of `npm start` with its bucket and queues at real services: once with both servers killed in
 * mid-round. Peers and evaluators hold no key but their own.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { readFinishedRound } from "../../functions/rounds/history.ts";
import { openRun } from "../../functions/rounds/run-context.ts";
import { listAll, type ObjectStore } from "../../functions/storage/object-store.ts";
import { createS3ObjectStore } from "../../functions/storage/s3.ts";
import { parseSubmissionKey, prefixes, type RunResult, runResult } from "../../schemas/index.ts";
import { disagreements, outerloopIn, type Running } from "../support/up.ts";
import { freePort } from "./free-port.ts";
import { REGION, type Service, startBoth } from "./services.ts";

const TOKEN = "whole-loop-token";
const BUCKET = "whole-loop";

let folder: string;
let cleanUp: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "outerloop-loop-"));
  cleanUp = [() => rm(folder, { recursive: true, force: true })];
});
afterEach(async () => {
  for (const work of cleanUp.reverse()) await work();
});

type Keys = Pick<Service, "accessKeyId" | "secretAccessKey">;

const environmentOf = ({ accessKeyId, secretAccessKey }: Keys): NodeJS.ProcessEnv => ({
  ...process.env,
  AWS_ACCESS_KEY_ID: accessKeyId,
  AWS_SECRET_ACCESS_KEY: secretAccessKey,
  AWS_REGION: REGION,
  OUTERLOOP_EVENTS_TOKEN: TOKEN,
});

const storeAt = (endpoint: string, credentials: Keys) =>
  createS3ObjectStore({ bucket: BUCKET, endpoint, region: REGION, credentials });

/** Three honest peers and a saboteur, five rounds, with deadlines so long that only progress ends a phase. */
function startLoop(env: NodeJS.ProcessEnv, endpoint: string, queue: string, port: number): Running {
  const storage = ["--store", "s3", "--endpoint", endpoint, "--queue", queue, "--bucket", BUCKET];
  const run = ["--rounds", "5", "--peers", "4", "--saboteurs", "1", "--seed", "whole loop"];
  const running = outerloopIn(
    env,
    "up",
    "--json",
    ...run,
    ...storage,
    "--data-dir",
    folder,
    "--port",
    `${port}`,
  );
  cleanUp.push(async () => {
    running.process.kill("SIGTERM");
    await running.ended;
  });
  return running;
}

async function resultOf(running: Running): Promise<RunResult> {
  const { status, stdout, stderr } = await running.ended;
  expect(status, stderr).toBe(0);
  return runResult.parse(JSON.parse(stdout));
}

function expectGoodRun(result: RunResult): void {
  expect(result.rounds).toHaveLength(5);
  expect(disagreements(result)).toEqual([]);
  const saboteur = result.peers.find(({ behaviour }) => behaviour !== "honest")?.peer ?? "";
  expect(result.rounds.filter(({ selected }) => selected.includes(saboteur))).toEqual([]);
  for (const { selected } of result.rounds) expect(selected.length).toBeGreaterThan(0);
  expect(result.finalHeldOutLoss).toBeLessThan(result.initialHeldOutLoss - 1);
}

/** Every commit that the API stored, and so acknowledged, has a verdict in its round's close. */
async function expectNothingMissing(store: ObjectStore, { run, rounds, peers }: RunResult): Promise<void> {
  const context = await openRun(store, run);
  for (const { round } of rounds) {
    const committed: string[] = [];
    for await (const { key } of listAll(store, prefixes.sealed(run, round))) {
      const parsed = parseSubmissionKey(key);
      if (parsed?.part === "commit") committed.push(parsed.peer);
    }
    const { close } = await readFinishedRound(context, round);
    expect(close.body.submissions.map(({ peer }) => peer).sort()).toEqual(committed.sort());
    expect(committed).toHaveLength(peers.length);
  }
}

/** The environments of the workers that a run has started, by what they are. */
function workerEnvironments(pid: number): { args: string; environment: string }[] {
  const lines = execFileSync("ps", ["-o", "pid=,args=", "--ppid", String(pid)], { encoding: "utf8" });
  return lines
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+(.*)/, 2))
    .map(([child = "", args = ""]) => ({
      args,
      environment: readFileSync(`/proc/${child}/environ`, "utf8"),
    }));
}

it("a bucket on MinIO, queues on LocalStack, both killed in mid-round", async () => {
  const port = await freePort();
  const webhook = { url: `http://127.0.0.1:${port}/events`, token: TOKEN };
  const { minio, localStack, stop } = await startBoth({ webhook }, {});
  cleanUp.push(stop);
  const env = environmentOf(minio);
  const running = startLoop(env, minio.endpoint, localStack.endpoint, port);

  // A round is told when the next one's roster stands: round 3 is being trained now.
  await running.saw(/^round +2 /m);
  if (process.platform === "linux") {
    const children = workerEnvironments(running.process.pid ?? 0);
    const workers = children.filter(({ args }) => !args.includes(" coordinator "));
    expect([children.length, workers.length]).toEqual([6, 5]);
    for (const { environment } of workers) expect(environment).not.toMatch(/AWS_|OUTERLOOP_EVENTS_TOKEN/);
  }
  await Promise.all([minio.kill("SIGKILL"), localStack.kill("SIGKILL")]);
  await Promise.all([minio.restart(), localStack.restart()]);
  const again = ["--endpoint", minio.endpoint, "--queue", localStack.endpoint, "--bucket", BUCKET];
  const provisioned = await outerloopIn(env, "provision", ...again).ended;
  expect(provisioned.status, provisioned.stderr).toBe(0);
  expect(provisioned.stdout).toMatch(/^\+ queue whole-loop-ticks/m);
  expect(provisioned.stdout).not.toMatch(/^\+ bucket/m);

  const result = await resultOf(running);
  expectGoodRun(result);
  await expectNothingMissing(storeAt(minio.endpoint, minio), result);
});

it("a bucket and queues on LocalStack", async () => {
  const localStack = inject("localStack");
  const running = startLoop(
    environmentOf(localStack),
    localStack.endpoint,
    localStack.endpoint,
    await freePort(),
  );
  const result = await resultOf(running);
  expectGoodRun(result);
  await expectNothingMissing(storeAt(localStack.endpoint, localStack), result);
});
