import { describe, expect, it } from "vitest";
import { overheadOf, rosterTimes } from "./round-overhead.ts";

/** Rounds of 1.5 s training and then 1, 2 and 3 s. */
const times = {
  roster: new Map([
    [1, 10_000],
    [2, 12_500],
    [3, 16_000],
  ]),
  committed: new Map([
    [1, 11_500],
    [2, 14_000],
    [3, 17_500],
  ]),
  applied: new Map([
    [1, 12_400],
    [2, 15_900],
    [3, 20_500],
  ]),
};

describe("round overhead", () => {
  it("goes from the last commit to the next roster, at the end to the last outer step", () => {
    const { trainSeconds, overheadSeconds } = overheadOf(times, 3);
    expect(trainSeconds).toEqual({ min: 1.5, median: 1.5, max: 1.5 });
    expect(overheadSeconds).toEqual({ min: 1, median: 2, max: 3 });
  });

  it("is, on average, all that was not training", () => {
    const total = (20_500 - 10_000) / 1_000;
    expect(overheadOf(times, 3).meanOverheadSeconds).toBe((total - 3 * 1.5) / 3);
  });

  it("is not made up for a round that nobody saw", () => {
    const committed = new Map([...times.committed].filter(([round]) => round !== 2));
    expect(() => overheadOf({ ...times, committed }, 3)).toThrow(
      expect.objectContaining({ code: "run-failed", details: { round: 2 } }),
    );
  });
});

describe("the coordinator's log", () => {
  it("tells when rosters stood, among other things", () => {
    const lines = [
      '{"at":"2026-01-02T03:04:05.678Z","level":"info","message":"roster recorded","run":"r","round":1}',
      '{"at":"2026-01-02T03:04:06.000Z","level":"info","message":"cutoff recorded","run":"r","round":1}',
      "(node:1) Warning: something of the runtime",
      '{"at":"2026-01-02T03:04:07.000Z","level":"warning","message":"a queue cannot be used"}',
      '{"at":"2026-01-02T03:04:08.001Z","level":"info","message":"roster recorded","run":"r","round":2}',
      "",
    ];
    expect([...rosterTimes(lines.join("\n"))]).toEqual([
      [1, Date.UTC(2026, 0, 2, 3, 4, 5, 678)],
      [2, Date.UTC(2026, 0, 2, 3, 4, 8, 1)],
    ]);
  });
});
