import { describe, expect, it } from "vitest";
import type { KeyStanding } from "../../../schemas/index.ts";
import { weightsOf } from "./weights.ts";

const used = (...some: [lossScore: number | null, standing: KeyStanding][]) =>
  some.map(([lossScore, standing], i) => ({ peer: `${i}`, lossScore, standing }));
const weights = (some: ReturnType<typeof used>, usualHelp: number) => [
  ...weightsOf(some, usualHelp).values(),
];
const { fround } = Math;

describe("weights", () => {
  it("are equal for established peers, whatever they help", () => {
    expect(weights(used([0.01, "established"], [0.4, "established"]), 0.1)).toEqual([0.5, 0.5]);
  });

  it("of keys on probation are the part that they help, and never more than one", () => {
    const some = used([0.1, "established"], [0.05, "probation"], [0.4, "probation"]);
    expect(weights(some, 0.1)).toEqual([fround(0.4), fround(0.2), fround(0.4)]);
  });

  it("of updates that were not judged are a quarter together at most", () => {
    const one: [number, KeyStanding] = [0.1, "established"];
    expect(weights(used(one, one, one, [null, "established"]), 0.1)).toEqual([0.25, 0.25, 0.25, 0.25]);
    const most = weights(used(one, [null, "established"], [null, "established"]), 0.1);
    expect(most).toEqual([0.75, 0.125, 0.125]);
  });

  it("are equal where nothing is usual, and do not depend on the order", () => {
    const some = used([0.05, "probation"], [0.4, "probation"], [0.3, "established"]);
    expect(weights(some, 0)).toEqual([fround(1 / 3), fround(1 / 3), fround(1 / 3)]);
    expect(weightsOf([...some].reverse(), 0.3)).toEqual(weightsOf(some, 0.3));
  });
});
