/**
 * `outerloop simulate`, as it is typed.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { expect, it } from "vitest";
import { faultKinds } from "../../workers/simulate/faults.ts";
import { fittedLine, type ScaleResult } from "../../workers/simulate/scale.ts";
import { BIN } from "../support/up.ts";

const simulate = (...args: string[]) =>
  spawnSync(process.execPath, [BIN, "simulate", ...args], { encoding: "utf8" });

it("says what happened in its worlds, as JSON", () => {
  const { status, stdout, stderr } = simulate("--seeds", "3", "--from", "5", "--json");
  expect(status, stderr).toBe(0);
  const summary = JSON.parse(stdout);
  expect(Object.keys(summary).sort()).toEqual(
    ["seeds", "violations", "faults", "rounds", "published", "emptyRounds", "wallSeconds"].sort(),
  );
  expect(summary).toMatchObject({ seeds: 3, violations: [], rounds: 9 });
  expect(Object.keys(summary.faults)).toEqual(faultKinds);
  expect(summary.wallSeconds).toBeGreaterThan(0);
});

it("lets only those faults strike that are asked for", () => {
  const { stdout } = simulate("--seeds", "3", "--faults", "event-lost,peer-late", "--json");
  const struck = Object.entries(JSON.parse(stdout).faults).filter(([, count]) => count !== 0);
  expect(struck.map(([kind]) => kind).filter((kind) => !["event-lost", "peer-late"].includes(kind))).toEqual(
    [],
  );
  for (const wrong of ["bad-luck", "none,event-lost"])
    expect(simulate("--faults", wrong)).toMatchObject({ status: 2, stdout: "" });
});

it("says that it was interrupted", async () => {
  const child = spawn(process.execPath, [BIN, "simulate", "--seeds", "100000", "--json"]);
  setTimeout(() => child.kill("SIGINT"), 3_000);
  expect(await once(child, "exit")).toEqual([130, null]);
});

it("says what a round of many peers costs, and how that grows", () => {
  const { status, stdout, stderr } = simulate("--peers", "120", "--json");
  expect(status, stderr).toBe(0);
  const result = JSON.parse(stdout);
  expect(Object.keys(result)).toEqual(["peers", "rounds", "wallSeconds", "perSubmission"]);
  const { peers, rounds, perSubmission } = result;
  expect([peers, rounds]).toEqual([120, 1]);
  expect(Object.keys(perSubmission)).toEqual(["storeOperations", "bytes", "functionSeconds", "dollars"]);
  // A submission costs the same however many there are, and a round little besides.
  expect(perSubmission.storeOperations).toBeLessThan(100);
  const fixed = Number(/\* peers \+ (\d+)/.exec(stderr)?.[1]);
  expect(fixed).toBeLessThan(400);
  expect(simulate("--peers", "60", "--seeds", "2").status).toBe(2);
});

it("fits a line to what was counted, and says how far it is off", () => {
  const counted = (peers: number, operations: number) =>
    ({ peers, perSubmission: { storeOperations: operations / peers } }) as ScaleResult;
  const exact = fittedLine([counted(10, 700), counted(20, 1_300), counted(100, 6_100)]);
  expect(exact.slope).toBeCloseTo(60);
  expect(exact.fixed).toBeCloseTo(100);
  expect(exact.error).toBeCloseTo(0);
  expect(fittedLine([counted(10, 700), counted(20, 1_300), counted(100, 9_000)]).error).toBeGreaterThan(0.05);
});
