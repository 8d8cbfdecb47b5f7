/**
 * kill -9 of every process of a run, one after the other: the run finishes, and all parameters are equal.
 */
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runResult } from "../schemas/index.ts";
import { disagreements, outerloop, upJson } from "./support/up.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "outerloop-kill-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Process ids of the children of a process, with their command lines. */
function childrenOf(pid: number): { pid: number; args: string }[] {
  const lines = execFileSync("ps", ["-o", "pid=,args=", "--ppid", String(pid)], { encoding: "utf8" })
    .trim()
    .split("\n");
  return lines.map((line) => {
    const [, child = "0", args = ""] = /^\s*(\d+)\s+(.*)$/.exec(line) ?? [];
    return { pid: Number(child), args };
  });
}

it("a run outlives the death of each of its processes", async () => {
  const running = outerloop("up", "--json", "--rounds", "16", "--data-dir", join(folder, "each"));
  const victims = ["coordinator ", "evaluator ", "/peer-1", "/peer-2", "/peer-3", "/peer-4", "/peer-5"];
  for (const [i, victim] of victims.entries()) {
    // Between any two deaths the run must get on: each one waits for a later round than the last.
    await running.saw(new RegExp(`^round +${2 * i + 1} `, "m"));
    const child = childrenOf(running.process.pid ?? 0).find(({ args }) => args.includes(victim));
    if (child === undefined) throw new Error(`no process of ${victim}`);
    process.kill(child.pid, "SIGKILL");
  }
  const { status, stdout, stderr } = await running.ended;
  expect(status, stderr).toBe(0);
  const result = runResult.parse(JSON.parse(stdout));
  expect(result.rounds).toHaveLength(16);
  expect(disagreements(result)).toEqual([]);
  expect(stderr.match(/SIGKILL\): restarting it/g)).toHaveLength(victims.length);
  expect(result.finalHeldOutLoss).toBeLessThan(2.6);
});

it("a coordinator and an evaluator that are told to stop come back, too", async () => {
  const running = outerloop("up", "--json", "--rounds", "5", "--data-dir", join(folder, "told"));
  for (const [i, name] of ["coordinator ", "evaluator "].entries()) {
    await running.saw(new RegExp(`^round +${i + 1} `, "m"));
    const child = childrenOf(running.process.pid ?? 0).find(({ args }) => args.includes(name));
    if (child === undefined) throw new Error(`no process of ${name}`);
    process.kill(child.pid, "SIGTERM");
  }
  const { status, stdout, stderr } = await running.ended;
  expect(status, stderr).toBe(0);
  expect(disagreements(runResult.parse(JSON.parse(stdout)))).toEqual([]);
  expect(stderr.match(/restarting it/g)).toHaveLength(2);
});

it("two runs of up do not work in one folder", async () => {
  const dir = join(folder, "twice");
  const first = outerloop("up", "--json", "--rounds", "3", "--data-dir", dir);
  await first.saw(/^page: /m);
  const second = await outerloop("up", "--json", "--data-dir", dir).ended;
  expect(second.status).toBe(2);
  expect(second.stderr).toMatch(/another process works in/);
  const { status, stdout, stderr } = await first.ended;
  expect(status, stderr).toBe(0);
  expect(disagreements(runResult.parse(JSON.parse(stdout)))).toEqual([]);
});

it("the same command goes on with a run whose parent was killed, and no child is left behind", async () => {
  const dir = join(folder, "parent");
  const running = outerloop("up", "--json", "--rounds", "6", "--data-dir", dir);
  await running.saw(/^round +3 /m);
  const children = childrenOf(running.process.pid ?? 0);
  expect(children.length).toBe(7);
  running.process.kill("SIGKILL");
  await running.ended;
  for (const { pid } of children) await untilGone(pid);

  const { result, stderr } = await upJson("--data-dir", dir);
  expect(stderr).toMatch(/^resuming run /m);
  expect(result.rounds).toHaveLength(6);
  expect(disagreements(result)).toEqual([]);
});

async function untilGone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
