/**
 * Bad usage is one clear line and exit status 2; status works with the coordinator up and down.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runStatus } from "../schemas/index.ts";
import { freePort } from "./support/embedded-run.ts";
import { outerloop } from "./support/up.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "outerloop-cli-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("bad usage", () => {
  it.each([
    [["up", "--rounds", "0"], /--rounds must be a whole number from 1/],
    [["up", "--rounds", "many"], /--rounds must be a whole number/],
    [["up", "--peers", "-3"], /--peers/],
    [["up", "--peers", "2", "--saboteurs", "2"], /nobody honest/],
    [["up", "--port", "70000"], /--port must be a whole number from 1 to 65535/],
    [["up", "--evaluators", "0"], /--evaluators/],
    [["up", "--colour"], /--colour/],
    [["up", "extra"], /extra/],
    [["dance"], /no command "dance"/],
    [["peer"], /--coordinator URL is needed/],
    [["peer", "--coordinator", "nowhere"], /must be a URL/],
  ])("%j", async (args, message) => {
    const { status, stdout, stderr } = await outerloop(...args).ended;
    expect(status).toBe(2);
    expect(stdout).toBe("");
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(stderr).toMatch(message);
  });
});

describe("status", () => {
  it("says what a run waits for, with the coordinator up and down", async () => {
    const dir = join(folder, "run");
    const port = await freePort();
    const running = outerloop("up", "--json", "--rounds", "30", "--data-dir", dir, "--port", String(port));
    await running.saw(/^round +1 /m);
    const whileUp = await outerloop("status", "--coordinator", `http://127.0.0.1:${port}`, "--json").ended;
    expect(whileUp.status, whileUp.stderr).toBe(0);
    expect(runStatus.parse(JSON.parse(whileUp.stdout)).waitingFor.length).toBeGreaterThan(0);
    running.process.kill("SIGINT");
    await running.ended;

    const whileDown = await outerloop("status", "--data-dir", dir, "--json").ended;
    expect(whileDown.status, whileDown.stderr).toBe(0);
    const status = runStatus.parse(JSON.parse(whileDown.stdout));
    expect(status.waitingFor.length).toBeGreaterThan(0);
    expect(status.history.length).toBeGreaterThanOrEqual(1);
    const text = await outerloop("status", "--data-dir", dir).ended;
    expect(text.stdout).toMatch(/^round {4}\d+ of 30, /m);
    expect(text.stdout).toMatch(/^waits {4}for /m);
  });

  it("says what to do where there is no run", async () => {
    const { status, stderr } = await outerloop("status", "--data-dir", join(folder, "nothing")).ended;
    expect(status).toBe(1);
    expect(stderr).toMatch(/holds no run/);
  });
});

it("takes a port that is in use as bad usage when it was asked for", async () => {
  const { createServer } = await import("node:net");
  const server = createServer();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
  });
  const { status, stderr } = await outerloop("up", "--port", String(port), "--data-dir", join(folder, "port"))
    .ended;
  server.close();
  expect(status).toBe(2);
  expect(stderr).toMatch(new RegExp(`port ${port} is in use`));
});
