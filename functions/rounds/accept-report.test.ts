import { describe, expect, it } from "vitest";
import type { GuardReport, Report } from "../../schemas/index.ts";
import { packLosses } from "../coordinator/gauntlet/losses.ts";
import { digest, evaluateFacts, peerId, peerIds, stateNow } from "../coordinator/testing/facts.ts";
import { acceptableGuard, acceptableReport } from "./accept-report.ts";

const { close, reports } = evaluateFacts(peerIds(4));
const [{ report: good } = { report: {} as Report }] = reports;
const expected = { close, stateHash: stateNow };
const some = packLosses([1, 2, 3]);

describe("a report", () => {
  it("answers its job on the agreed state", () => {
    expect(acceptableReport(good, expected)).toBeNull();
  });

  it.each<[string, Partial<Report>, string]>([
    ["another close", { close: digest("other") }, "it answers another close than the one that stands"],
    ["another state", { stateHash: digest("old") }, "it was computed on another state than the agreed one"],
    ["a job that nobody planned", { job: "0009" }, "the plan has no job 0009"],
    ["too few base losses", { base: some }, "it must hold 13 base losses, it holds 3"],
    [
      "too few losses of one update",
      { losses: good.losses.map((one, i) => (i === 2 ? { ...one, losses: some } : one)) },
      `it must hold 13 losses for ${peerId(3)}`,
    ],
    [
      "its updates in another order",
      { losses: [...good.losses].reverse() },
      "its peers are not those of the job, in the order of the job",
    ],
    [
      "an update left out",
      { losses: good.losses.slice(1) },
      "its peers are not those of the job, in the order of the job",
    ],
    [
      "one update twice",
      { losses: good.losses.map(() => good.losses[0] ?? { peer: "", losses: "" }) },
      "its peers are not those of the job, in the order of the job",
    ],
    ["a canary row that nobody asked for", { canary: some }, "the job has no canary"],
    ["itself among the others", { others: [good.evaluator] }, "its evaluator is not one of the others"],
    [
      "others whose private sequences it leaves out",
      { others: [peerId(904)] },
      "it must hold 14 base losses, it holds 13",
    ],
  ])("is none with %s", (_, changes, problem) => {
    expect(acceptableReport({ ...good, ...changes }, expected)).toBe(problem);
  });

  it("cannot be checked against a state that is not published", () => {
    const report = { ...good, stateHash: digest("any") };
    expect(acceptableReport(report, { close, stateHash: null })).toBeNull();
  });
});

describe("a guard's report", () => {
  const report: GuardReport = {
    round: 1,
    set: "selected",
    evaluator: peerId(903),
    selection: digest("selection"),
    stateHash: stateNow,
    base: some,
    after: some,
  };
  const expected = { selection: digest("selection"), stateHash: stateNow, sequences: 3 };

  it("answers its selection on the agreed state", () => {
    expect(acceptableGuard(report, expected)).toBeNull();
    expect(acceptableGuard(report, { ...expected, stateHash: null })).toBeNull();
  });

  it.each<[string, Partial<GuardReport>, string]>([
    [
      "another selection",
      { selection: digest("x") },
      "it answers another selection than the one that stands",
    ],
    ["another state", { stateHash: digest("x") }, "it was computed on another state than the agreed one"],
    ["too few losses", { after: packLosses([1]) }, "it must hold 3 losses, it holds 1"],
  ])("is none with %s", (_, changes, problem) => {
    expect(acceptableGuard({ ...report, ...changes }, expected)).toBe(problem);
  });
});
