import { describe, expect, it } from "vitest";
import type { AwaitedThing, RunStatus } from "../../schemas/index.ts";
import { statusText, whyText } from "./status.ts";

const T0 = Date.UTC(2026, 0, 31, 12);
const at = (seconds: number) => new Date(T0 + 1_000 * seconds).toISOString();

const none: RunStatus["progress"] = {
  announced: 0,
  roster: 0,
  committed: 0,
  complete: 0,
  jobs: 0,
  reported: 0,
  shards: 0,
  aggregated: 0,
};

function status(kind: AwaitedThing["kind"], changes: Partial<RunStatus> = {}): RunStatus {
  return {
    run: `test-${"0".repeat(32)}`,
    asOf: at(100),
    rounds: 20,
    round: 3,
    phase: "gather",
    since: at(40),
    waitingFor: [{ kind, name: "", text: "something" }],
    endsAt: null,
    afterwards: "something else",
    manifestBy: null,
    reason: "so it is",
    progress: none,
    parameters: 1_000,
    initialHeldOutLoss: null,
    history: [],
    standings: [],
    ...changes,
  };
}

describe.each([
  ["status", statusText],
  ["status --why", whyText],
])("outerloop %s", (_, textOf) => {
  const lines = (kind: AwaitedThing["kind"], changes?: Partial<RunStatus>) =>
    textOf(status(kind, changes)).split("\n");

  it("says until when a phase lasts", () => {
    expect(lines("commit", { phase: "train", endsAt: at(139) })).toContain(`until    ${at(139)} (in 39 s)`);
  });

  it("says since when a decision is overdue", () => {
    const stuck = lines("coordinator", { phase: "train", endsAt: at(39) });
    expect(stuck).toContain(`overdue  since ${at(39)} (61 s ago)`);
    expect(stuck.join()).not.toMatch(/no deadline|at stake/);
  });

  it("says that a decision is due before its deadline", () => {
    for (const endsAt of [at(139), null]) expect(lines("coordinator", { endsAt })).toContain("due      now");
  });

  it("says why there is no deadline", () => {
    expect(lines("resume").join("\n")).toMatch(/^until +the operator resumes the run/m);
    expect(lines("peers").join("\n")).toMatch(/^until +enough peers have announced/m);
    expect(lines("peers", { phase: "finished", waitingFor: [] }).join("\n")).not.toMatch(/^until/m);
  });
});
