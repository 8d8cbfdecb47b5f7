import { describe, expect, it } from "vitest";
import { f64ToHex, type Manifest } from "../../../schemas/index.ts";
import { peerId, trustedEvaluator } from "../testing/facts.ts";
import { guardFaults, guardOn, type StoredGuardReport } from "./guard.ts";
import { packLosses } from "./losses.ts";

const [ann, ben, cat] = [901, 902, 903].map(peerId) as [string, string, string];
const says = (evaluator: string, change: number): StoredGuardReport => ({
  set: "selected",
  evaluator,
  hash: evaluator,
  report: {
    round: 1,
    set: "selected",
    evaluator,
    selection: "",
    stateHash: "",
    base: packLosses([2, 2]),
    after: packLosses([2 + change, 2 + change]),
  },
});
const guard = (reports: readonly StoredGuardReport[], evaluators = [ann, ben, cat], trusted: string[] = []) =>
  guardOn("selected", reports, {
    round: 1,
    evaluators,
    records: new Map(trusted.map((evaluator) => [evaluator, trustedEvaluator(evaluator)])),
    limitNats: 1,
  });

describe("the guard", () => {
  it.each<[string, [string, number][], string[], "passed" | "refused" | "open"]>([
    ["nobody", [], [], "open"],
    ["a new evaluator that lets it pass", [[ann, 0]], [], "open"],
    ["a trusted one that lets it pass", [[ann, 0]], [ann], "passed"],
    [
      "two that let it pass",
      [
        [ann, 0],
        [ben, 0.5],
      ],
      [],
      "passed",
    ],
    ["a trusted one that refuses", [[ann, 2]], [ann], "open"],
    [
      "two that refuse",
      [
        [ann, 2],
        [ben, 2],
      ],
      [],
      "refused",
    ],
    [
      "two that differ",
      [
        [ann, 2],
        [ben, 0],
      ],
      [],
      "open",
    ],
    [
      "two against one",
      [
        [ann, 2],
        [ben, 0],
        [cat, 0],
      ],
      [],
      "passed",
    ],
    [
      "a loss that is no number, twice",
      [
        [ann, Number.NaN],
        [ben, Number.POSITIVE_INFINITY],
      ],
      [],
      "refused",
    ],
  ])("of %s", (_, said, trusted, verdict) => {
    const reports = said.map(([evaluator, change]) => says(evaluator, change));
    expect(guard(reports, [ann, ben, cat], trusted).verdict).toBe(verdict);
  });

  it("at the deadline takes what there is, but for a single refusal where others could have been asked", () => {
    expect(guard([says(ann, 0)]).soFar).toBe("passed");
    expect(guard([says(ann, 2)]).soFar).toBe("open");
    expect(guard([says(ann, 2)], [ann]).soFar).toBe("refused");
    expect(guard([says(ann, 2), says(ben, 0)]).soFar).toBe("refused");
  });

  it("asks one more while opinions are evenly split, and refuses if nobody is left", () => {
    const four = [ann, ben, cat, peerId(904)];
    const split = four.map((evaluator, i) => says(evaluator, i < 2 ? 2 : 0));
    expect(guard(split, [...four, peerId(905)]).verdict).toBe("open");
    expect(guard([...split, says(peerId(905), 0)], [...four, peerId(905)]).verdict).toBe("passed");
    expect(guard(split, four).verdict).toBe("refused");
  });

  it("blames who says of a sum what two others deny, and nobody of two", () => {
    const looked = (...said: [string, boolean][]): Manifest["guard"] =>
      said.map(([evaluator, passed]) => ({
        set: "selected",
        evaluator,
        report: "",
        change: f64ToHex(0),
        passed,
      }));
    expect(guardFaults(looked([ann, false], [ben, true], [cat, true]))).toEqual([ann]);
    expect(guardFaults(looked([ann, true], [ben, false], [cat, false]))).toEqual([ann]);
    expect(guardFaults(looked([ann, false], [ben, true]))).toEqual([]);
    const dan = peerId(904);
    expect(guardFaults(looked([ann, false], [ben, false], [cat, true], [dan, true]))).toEqual([]);
    expect(
      guardFaults(looked([ann, false], [ben, false], [cat, true], [dan, true], [peerId(905), true])),
    ).toEqual([ann, ben]);
    const other = looked([cat, true]).map((one) => ({ ...one, set: "established" as const }));
    expect(guardFaults([...looked([ann, false], [ben, true]), ...other])).toEqual([]);
  });
});
