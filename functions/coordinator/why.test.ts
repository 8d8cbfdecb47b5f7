import { describe, expect, it } from "vitest";
import type { Selection } from "../../schemas/index.ts";
import { DEADLINE_MARGIN_MS } from "./deadlines.ts";
import { decide } from "./decide.ts";
import type { RoundFacts } from "./facts.ts";
import {
  aggregateFacts,
  evaluateFacts,
  factOf,
  gatherFacts,
  peerIds,
  runFacts,
  settledCommit,
  settleFacts,
  T0,
  trainFacts,
} from "./testing/facts.ts";
import { phaseEndsMs, whatHappensThen } from "./why.ts";

const [one, two] = peerIds(2) as [string, string];

/** As a reader without the seed chain sees it. */
function look(facts: RoundFacts, asOfMs: number) {
  const { seeds: _, ...rest } = facts;
  const decision = decide(rest as RoundFacts, asOfMs);
  const endsMs = phaseEndsMs(facts, decision);
  return {
    decision,
    endsMs,
    endsAfterSeconds: endsMs === null ? null : (endsMs - T0) / 1_000,
    afterwards: whatHappensThen(facts, decision, asOfMs),
  };
}

describe("training", () => {
  // commitBy is 30 s, uploadedBy 37 s after the roster.
  const facts = trainFacts([one, two], { committed: [one] });

  it("lasts until uploads are over, whoever stops being waited for before", () => {
    expect(look(facts, T0 + 5_000)).toMatchObject({
      endsAfterSeconds: 39,
      decision: { endsAtMs: T0 + 30_000 },
    });
    expect(look(facts, T0 + 35_000)).toMatchObject({
      endsAfterSeconds: 39,
      decision: { endsAtMs: T0 + 37_000 },
    });
  });

  it("is cut off then; until commitBy it is said what that one means", () => {
    expect(look(facts, T0 + 5_000).afterwards).toMatch(
      /is cut off: .* who has not committed by \S+:30.000Z /,
    );
    expect(look(facts, T0 + 35_000).afterwards).toMatch(/is cut off: (?!.*committed by)/);
  });

  it("shows the deadline that has passed while nobody records the cutoff", () => {
    const { decision, endsAfterSeconds, afterwards } = look(facts, T0 + 3_600_000);
    expect(decision.waitingFor.map(({ kind }) => kind)).toEqual(["coordinator"]);
    expect(endsAfterSeconds).toBe(39);
    expect(afterwards).toMatch(/records this decision/);
  });
});

const evaluated = evaluateFacts([one, two]);
const selection = decide(evaluated, T0 + 4_000).record?.body as Selection;

it.each([
  ["settle", settleFacts([settledCommit(one, { submission: null })])],
  ["evaluate", evaluateFacts([one, two], { reported: false })],
  ["aggregate", aggregateFacts(evaluated, factOf(selection), { aggregated: [] })],
] as const)("%s ends when its decision says so, and still says when once that is over", (_, facts) => {
  const { decision, endsMs } = look(facts, T0 + 5_000);
  expect(decision.endsAtMs).not.toBeNull();
  expect(endsMs).toBe((decision.endsAtMs ?? 0) + DEADLINE_MARGIN_MS);
  expect(look(facts, T0 + 3_600_000)).toMatchObject({
    endsMs,
    decision: { waitingFor: [{ kind: "coordinator" }] },
  });
});

it.each([
  ["below the minimum", gatherFacts([{ peer: one, atMs: T0 }]), /once enough peers have announced/],
  ["paused", gatherFacts([], { paused: "looking at it" }), /when the operator resumes/],
  ["after the last round", { ...runFacts({ round: 21 }), phase: "finished" as const }, /the run is over/],
])("there is no deadline %s", (_, facts, afterwards) => {
  const seen = look(facts, T0 + 1e9);
  expect(seen.endsMs).toBeNull();
  expect(seen.afterwards).toMatch(afterwards);
});
