/**
 * `outerloop simulate`, as it is typed.
 */
import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { BIN } from "../support/up.ts";

const simulate = (...args: string[]) =>
  spawnSync(process.execPath, [BIN, "simulate", ...args], { encoding: "utf8" });

it("says what happened in its worlds, as JSON", () => {
  const { status, stdout, stderr } = simulate("--seeds", "3", "--from", "5", "--json");
  expect(status, stderr).toBe(0);
  const summary = JSON.parse(stdout);
  expect(summary).toMatchObject({ seeds: 3, violations: [], rounds: 9 });
  expect(summary.published + summary.emptyRounds + summary.voidRounds).toBe(9);
  expect(Object.values(summary.faults).length).toBeGreaterThan(0);
  expect(summary.wallSeconds).toBeGreaterThan(0);
});

it("lets only those faults strike that are asked for", () => {
  const { stdout } = simulate("--seeds", "3", "--faults", "event-lost,peer-late", "--json");
  const { faults } = JSON.parse(stdout);
  expect(Object.keys(faults).filter((kind) => !["event-lost", "peer-late"].includes(kind))).toEqual([]);
  expect(simulate("--faults", "bad-luck")).toMatchObject({ status: 2, stdout: "" });
});

it("says what a round of many peers costs, and how that grows", () => {
  const { status, stdout, stderr } = simulate("--peers", "60", "--json");
  expect(status, stderr).toBe(0);
  const { peers, rounds, perSubmission, line } = JSON.parse(stdout);
  expect([peers, rounds]).toEqual([60, 1]);
  expect(Object.keys(perSubmission)).toEqual(["storeOperations", "bytes", "functionSeconds", "dollars"]);
  // A submission costs the same however many there are, and a round little besides.
  expect(perSubmission.storeOperations).toBeLessThan(100);
  expect(line.fixed).toBeLessThan(400);
  expect(simulate("--peers", "60", "--seeds", "2").status).toBe(2);
});
