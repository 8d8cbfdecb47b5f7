import { describe, expect, it } from "vitest";
import { type Control, hashOf, toInstant } from "../../schemas/index.ts";
import {
  configByHash,
  isAborted,
  keysInRound,
  latestConfig,
  pausedBecause,
  resumedSince,
} from "./controls.ts";
import { peerId, T0, testConfig, testGenesis } from "./testing/facts.ts";

const controls = (...actions: Control["action"][]): Control[] =>
  actions.map((action, i) => ({ number: i + 1, issuedAt: toInstant(T0 + 1_000 * i), action }));
const longer = { ...testConfig, rounds: 40 };

describe("what the operator said", () => {
  it("counts for the next roster: the last configuration announced, else that of the genesis", () => {
    expect(latestConfig(testGenesis, []).config).toEqual(testConfig);
    const { config, hash } = latestConfig(testGenesis, controls({ kind: "config", config: longer }));
    expect([config, hash]).toEqual([longer, hashOf(longer)]);
  });

  it("does not change what a roster pinned", () => {
    const said = controls({ kind: "config", config: longer });
    expect(configByHash(testGenesis, said, hashOf(testConfig))).toEqual(testConfig);
    expect(configByHash(testGenesis, said, hashOf(longer))).toEqual(longer);
    expect(configByHash(testGenesis, [], hashOf(longer))).toBeNull();
  });

  it("gives keys from the round it names on", () => {
    const keys = { ...testGenesis.keys, evaluators: [peerId(7)] };
    const said = controls({ kind: "keys", keys, effectiveFromRound: 5 });
    expect(keysInRound(testGenesis, said, 4)).toEqual(testGenesis.keys);
    expect(keysInRound(testGenesis, said, 5)).toEqual(keys);
  });

  it("pauses until it resumes", () => {
    const pause = { kind: "pause", reason: "looking" } as const;
    expect(pausedBecause([])).toBeNull();
    expect(pausedBecause(controls(pause))).toBe("looking");
    expect(pausedBecause(controls(pause, { kind: "resume" }))).toBeNull();
    expect(pausedBecause(controls(pause, { kind: "resume" }, pause))).toBe("looking");
    expect(pausedBecause(controls(pause, { kind: "abort", round: 1, reason: "" }))).toBe("looking");
  });

  it("aborts one round", () => {
    const said = controls({ kind: "abort", round: 3, reason: "bad data" });
    expect([2, 3, 4].map((round) => isAborted(said, round))).toEqual([false, true, false]);
  });

  it("lifts a pause by void rounds only if it was said after them", () => {
    const said = controls({ kind: "resume" });
    // The operator's clock may be a year slow: what counts is when the store received it.
    const stored = said.map((one) => ({ ...one, issuedAt: toInstant(0), storedAtMs: T0 }));
    expect(resumedSince(stored, T0)).toBe(true);
    expect(resumedSince(stored, T0 + 1_000)).toBe(false);
    const pause = controls({ kind: "pause", reason: "" }).map((one) => ({ ...one, storedAtMs: T0 }));
    expect(resumedSince(pause, T0)).toBe(false);
  });
});
