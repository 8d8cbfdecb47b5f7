import { describe, expect, it } from "vitest";
import { evaluatorRecordsAfter, trustIn } from "./evaluator-trust.ts";

const record = (confirmed: number, faults: number[]) => ({ evaluator: "a", confirmed, faults });

describe("trust in an evaluator", () => {
  it.each([
    [undefined, "new"],
    [record(4, []), "new"],
    [record(5, []), "trusted"],
    [record(500, [150]), "new"],
    [record(500, [100]), "trusted"],
    [record(500, [150, 160, 170]), "out"],
    [record(500, [100, 160, 170]), "new"],
  ])("with the record %j in round 200 is %s", (one, trust) => {
    expect(trustIn(one, 200)).toBe(trust);
  });

  it("counts a round with many wrong jobs as one fault, and forgets old ones", () => {
    const before = new Map([["a", record(3, [50, 160])]]);
    const after = evaluatorRecordsAfter(before, 200, [
      { evaluator: "b", confirmed: 2, faults: [] },
      { evaluator: "a", confirmed: 1, faults: ["differs", "differs", "canary"] },
    ]);
    expect(after).toEqual([
      { evaluator: "a", confirmed: 4, faults: [160, 200] },
      { evaluator: "b", confirmed: 2, faults: [] },
    ]);
  });
});
