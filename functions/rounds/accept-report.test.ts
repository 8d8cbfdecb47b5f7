import { describe, expect, it } from "vitest";
import type { Report } from "../../schemas/index.ts";
import { packLosses } from "../coordinator/gauntlet/losses.ts";
import { digest, evaluateFacts, peerId, peerIds, stateNow } from "../coordinator/testing/facts.ts";
import { acceptableReport } from "./accept-report.ts";

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
    ["too few base losses", { base: some }, "it must hold 12 base losses, it holds 3"],
    [
      "too few losses of one update",
      { losses: good.losses.map((one, i) => (i === 2 ? { ...one, losses: some } : one)) },
      `it must hold 12 losses for ${peerId(3)}`,
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
  ])("is none with %s", (_, changes, problem) => {
    expect(acceptableReport({ ...good, ...changes }, expected)).toBe(problem);
  });

  it("cannot be checked against a state that is not published", () => {
    const report = { ...good, stateHash: digest("any") };
    expect(acceptableReport(report, { close, stateHash: null })).toBeNull();
  });
});
