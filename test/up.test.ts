/**
 * The quick start, as a newcomer runs it.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunResult } from "../schemas/index.ts";
import { BIN, disagreements, outerloop, upJson } from "./support/up.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "outerloop-up-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const honestOf = ({ peers }: RunResult) =>
  peers.filter(({ behaviour }) => behaviour === "honest").map(({ peer }) => peer);
const sabotageOf = ({ peers }: RunResult) =>
  peers.filter(({ behaviour }) => behaviour !== "honest").map(({ peer }) => peer);

describe("four honest peers and a saboteur, twenty rounds", () => {
  let result: RunResult;
  let stderr: string;
  beforeAll(async () => {
    ({ result, stderr } = await upJson("--data-dir", join(folder, "default")));
  });

  it("train a model that learns", () => {
    expect(result.rounds).toHaveLength(20);
    expect(result.initialHeldOutLoss).toBeGreaterThan(5.4);
    expect(result.finalHeldOutLoss).toBeLessThanOrEqual(2.1);
    expect(result.rounds.at(-1)?.heldOutLoss).toBe(result.finalHeldOutLoss);
  });

  it("refuse or leave out the saboteur in every round, with the reason", () => {
    for (const { refused, selected } of result.rounds) {
      for (const peer of sabotageOf(result)) {
        expect(selected).not.toContain(peer);
        expect(refused.find((one) => one.peer === peer)?.reason).toMatch(
          /makes the model worse: LossScore -/,
        );
      }
    }
  });

  it("refuse no honest peer more than twice", () => {
    for (const peer of honestOf(result)) {
      expect(
        result.rounds.filter(({ refused }) => refused.some((one) => one.peer === peer)).length,
      ).toBeLessThanOrEqual(2);
    }
  });

  it("end every round with bit-identical parameters everywhere", () => {
    expect(disagreements(result)).toEqual([]);
    expect(new Set(result.rounds.map(({ stateHash }) => stateHash)).size).toBe(20);
  });

  it("compress 120-fold, and a full chunk 195-fold", () => {
    expect(result.compressionFactor.payload).toBeGreaterThanOrEqual(120);
    expect(result.compressionFactor.chunk).toBeGreaterThanOrEqual(195);
    const [round] = result.rounds;
    expect(round?.bytesUp).toBeCloseTo((5 * 4 * 418_656) / result.compressionFactor.payload, 3);
  });

  it("account for all the time of a round", () => {
    for (const { seconds } of result.rounds) {
      const { total, ...parts } = seconds;
      expect(Object.values(parts).reduce((sum, part) => sum + part, 0)).toBeCloseTo(total, 6);
    }
  });

  it("tell every round on stderr", () => {
    for (let round = 1; round <= 20; round++)
      expect(stderr).toMatch(new RegExp(`^round +${round}  loss `, "m"));
  });

  it("start a new run where the last one has finished", async () => {
    const again = await upJson("--data-dir", join(folder, "default"), "--rounds", "1");
    expect(again.result.run).not.toBe(result.run);
    expect(again.result.rounds).toHaveLength(1);
  });
});

it("reaches about the same loss without a saboteur and with two", async () => {
  const none = await upJson("--data-dir", join(folder, "none"), "--saboteurs", "0", "--peers", "4");
  const two = await upJson("--data-dir", join(folder, "two"), "--saboteurs", "2", "--peers", "6");
  expect(Math.abs(none.result.finalHeldOutLoss - two.result.finalHeldOutLoss)).toBeLessThanOrEqual(0.06);
  expect(disagreements(none.result)).toEqual([]);
  expect(disagreements(two.result)).toEqual([]);
});

it("gives the same selections and the same states for the same seed", async () => {
  const run = async (name: string) =>
    (await upJson("--data-dir", join(folder, name), "--seed", "7", "--rounds", "4")).result;
  const [first, second] = [await run("seed-1"), await run("seed-2")];
  const facts = ({ rounds }: RunResult) => rounds.map(({ selected, stateHash }) => ({ selected, stateHash }));
  expect(facts(second)).toEqual(facts(first));
  expect(second.peers).toEqual(first.peers);
});

it("works with the TypeScript codec where no addon loads", async () => {
  process.env.OUTERLOOP_CODEC = "reference";
  try {
    const { result } = await upJson("--data-dir", join(folder, "typescript"), "--rounds", "2", "--seed", "7");
    expect(result.codec).toBe("reference");
    expect(disagreements(result)).toEqual([]);
  } finally {
    delete process.env.OUTERLOOP_CODEC;
  }
});

describe("Ctrl-C", () => {
  it("stops everything cleanly, and the same command goes on", async () => {
    const dir = join(folder, "interrupted");
    const running = outerloop("up", "--json", "--rounds", "5", "--data-dir", dir);
    await running.saw(/^round +2 /m);
    running.process.kill("SIGINT");
    const { status, stdout, stderr } = await running.ended;
    expect(status).toBe(130);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/stopped; the same command goes on/);

    const { result, stderr: resumed } = await upJson("--rounds", "5", "--data-dir", dir);
    expect(resumed).toMatch(/^resuming run /m);
    expect(result.rounds).toHaveLength(5);
    expect(disagreements(result)).toEqual([]);
  });

  // A terminal changes what a signal meets: libraries that draw on it have listeners of their own.
  it.skipIf(spawnSync("script", ["--version"]).status !== 0)("does so on a terminal, too", async () => {
    const dir = join(folder, "terminal");
    const command = [process.execPath, BIN, "up", "--rounds", "9", "--data-dir", dir].join(" ");
    const terminal = spawn("script", ["-qefc", command, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"] });
    let shown = "";
    let asked = false;
    terminal.stdout.on("data", (data) => {
      shown += data;
      if (asked || !/round 1 {2}loss/.test(shown)) return;
      asked = true;
      terminal.stdin.write("\u0003");
    });
    const [status] = await once(terminal, "close");
    expect(shown).toMatch(/stopped; the same command goes on/);
    expect(status).toBe(130);
  });

  it("does not let a resumed run be given other settings", async () => {
    const dir = join(folder, "other-settings");
    const running = outerloop("up", "--json", "--rounds", "5", "--data-dir", dir);
    await running.saw(/^page: /m);
    running.process.kill("SIGINT");
    await running.ended;
    const { status, stderr } = await outerloop("up", "--rounds", "6", "--data-dir", dir).ended;
    expect(status).toBe(2);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(stderr).toMatch(/--rounds 5, not 6/);
  });
});
