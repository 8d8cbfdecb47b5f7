/**
 * Where `up` listens, as processes beside each other see it. What it trains: up.test.ts.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { outerloop, type Running } from "./support/up.ts";

let folder: string;
let running: Running[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "outerloop-up-"));
  running = [];
});
afterEach(async () => {
  for (const { process } of running) process.kill("SIGINT");
  await Promise.all(running.map(({ ended }) => ended));
  await rm(folder, { recursive: true, force: true });
});

/** Starts one in a data folder of its own; the port of its page, once it is served. */
async function portOf(name: string, ...args: string[]): Promise<string> {
  const up = outerloop("up", "--json", "--rounds", "50", "--data-dir", join(folder, name), ...args);
  running.push(up);
  let said = "";
  up.process.stderr?.on("data", (data) => {
    said += data;
  });
  await up.saw(/^page: .*\n/m);
  return /^page: http:\/\/127\.0\.0\.1:(\d+)$/m.exec(said)?.[1] ?? "";
}

it("two that start at once get a port each, whoever was first", async () => {
  const [first, second] = await Promise.all([portOf("first"), portOf("second")]);
  expect(first).not.toBe(second);
  for (const port of [first, second]) expect((await fetch(`http://127.0.0.1:${port}/runs`)).status).toBe(200);
});

// Of the whole block 127.0.0.0/8, only Linux gives a machine more than one address.
it.skipIf(process.platform !== "linux")("with --host 0.0.0.0 it is reached by every address", async () => {
  const everywhere = await portOf("everywhere", "--host", "0.0.0.0");
  expect((await fetch(`http://127.0.0.2:${everywhere}/runs`)).status).toBe(200);
  const here = await portOf("here");
  await expect(fetch(`http://127.0.0.2:${here}/runs`)).rejects.toThrow();
});
