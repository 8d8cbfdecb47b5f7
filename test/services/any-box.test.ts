/**
 * From an empty bucket to a finished run by the commands of docs/operating.md: provision, key, run create, a coordinator
 * that serves the bucket, an evaluator and peers that hold their own keys alone, run control, status.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { createApiClient } from "../../functions/api/client.ts";
import { runStatus } from "../../schemas/index.ts";
import { mobyDick } from "../../workers/local/quick-start.ts";
import { tinyConfig } from "../support/tiny-run.ts";
import { outerloopIn, type Running } from "../support/up.ts";
import { freePort } from "./free-port.ts";

let folder: string;
let running: Running[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "outerloop-any-box-"));
  running = [];
});
afterEach(async () => {
  for (const one of running) one.process.kill("SIGTERM");
  await Promise.all(running.map((one) => one.ended));
  await rm(folder, { recursive: true, force: true });
});

it("a run by hand, from an empty bucket to its last round", async () => {
  const [minio, localStack] = [inject("minio"), inject("localStack")];
  const operator = {
    ...process.env,
    AWS_ACCESS_KEY_ID: minio.accessKeyId,
    AWS_SECRET_ACCESS_KEY: minio.secretAccessKey,
    AWS_REGION: minio.region,
  };
  const place = ["--endpoint", minio.endpoint, "--queue", localStack.endpoint, "--bucket", "any-box"];
  const said = async (...args: string[]) => {
    const { status, stdout, stderr } = await outerloopIn(operator, ...args).ended;
    expect(status, `${args.join(" ")}: ${stderr}`).toBe(0);
    return stdout;
  };
  const start = (env: NodeJS.ProcessEnv, ...args: string[]) => {
    const one = outerloopIn(env, ...args);
    running.push(one);
    return one;
  };

  // Nobody announces uploads here: the sweep finds them.
  await said("provision", ...place, "--notify", "none");
  const evaluator = join(folder, "evaluator");
  const key = (await said("key", "--data-dir", evaluator)).trim();
  const [config, text] = [join(folder, "config.json"), join(folder, "text")];
  await writeFile(config, JSON.stringify(tinyConfig({ rounds: 2, peers: 2 })));
  await writeFile(text, mobyDick().slice(0, 60_000));
  const secrets = `file:${join(folder, "secrets")}`;
  const roots = join(folder, "roots");
  const created = await said(
    ...["run", "create", ...place, "--evaluators", key, "--secrets", secrets, "--roots", roots],
    ...["--config", config, "--text", text, "--slug", "by-hand", "--json"],
  );
  const { run } = JSON.parse(created) as { run: string };
  const control = ["run", "control", ...place, "--run", run, "--roots", roots, "--say"];
  await said(...control, "pause", "--reason", "not yet");
  const status = async () =>
    runStatus.parse(JSON.parse(await said("status", "--store", "s3", ...place, "--json")));
  expect((await status()).reason).toMatch(/not yet/);
  await said(...control, "resume");

  const port = String(await freePort());
  const url = `http://127.0.0.1:${port}`;
  start(operator, "coordinator", "--store", "s3", ...place, "--secrets", secrets, "--port", port);
  const { AWS_ACCESS_KEY_ID: _, AWS_SECRET_ACCESS_KEY: __, ...stranger } = operator;
  start(stranger, "evaluator", "--coordinator", url, "--run", run, "--data-dir", evaluator);
  const peers = ["a", "b"].map((name) =>
    start(stranger, "peer", "--coordinator", url, "--run", run, "--data-dir", join(folder, name)),
  );
  for (const { status: code, stderr } of await Promise.all(peers.map((peer) => peer.ended)))
    expect(code, stderr).toBe(0);

  const reader = createApiClient({ coordinator: url });
  expect(await reader.runs()).toEqual({ runs: [run] });
  while (!(await reader.position(run)).finished) await sleep(100);
  expect((await status()).history.map(({ outcome }) => outcome)).toEqual(["applied", "applied"]);
});
