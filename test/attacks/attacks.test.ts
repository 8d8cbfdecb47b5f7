/**
 * A few attacks for a few rounds, in every test run; `npm run attacks` plays all of them to the end.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { f32FromHex, f64FromHex } from "../../schemas/index.ts";
import { mobyDick } from "../../workers/local/quick-start.ts";
import type { Attack } from "./arena/attack.ts";
import { arenaConfig } from "./arena/config.ts";
import { Gym } from "./arena/gym.ts";
import { outcomeOf } from "./arena/measure.ts";
import { type Played, play } from "./arena/play.ts";
import { copy } from "./kinds/copy.ts";
import { duplicateIndices } from "./kinds/duplicate-indices.ts";
import {
  colludingEvaluator,
  constantEvaluator,
  copyingEvaluator,
  silentEvaluator,
} from "./kinds/evaluators.ts";
import { hugeObject } from "./kinds/huge-object.ts";
import { idleAnnouncers } from "./kinds/idle-announcers.ts";
import { lateUpload } from "./kinds/late-upload.ts";
import { lazyZero } from "./kinds/lazy.ts";
import { malformedRecords } from "./kinds/malformed-records.ts";
import { rawTensorSpike } from "./kinds/raw-tensor-spike.ts";
import { replay } from "./kinds/replay.ts";
import { signFlip } from "./kinds/sign-flip.ts";
import { wrongBase } from "./kinds/wrong-base.ts";

const ROUNDS = 4;
const tokens = Uint16Array.from(mobyDick());
let gym: Gym;
let clean: Played;

beforeAll(async () => {
  gym = await Gym.open(arenaConfig, tokens);
  gym.remembers = true;
  clean = await play({ seed: 1, gym, tokens, rounds: ROUNDS });
  gym.remembers = false;
});
afterAll(() => gym.close());

const attacked = (attack: Attack) => play({ seed: 1, gym, tokens, rounds: ROUNDS, attack });

it("without attackers every honest update is used, and the loss falls", () => {
  expect(clean.rounds.map(({ outcome }) => outcome)).toEqual(new Array(ROUNDS).fill("applied"));
  const verdicts = clean.rounds.flatMap(({ receipts }) => receipts.map(({ verdict }) => verdict));
  expect(new Set(verdicts)).toEqual(new Set(["selected"]));
  expect(clean.heldOut.at(-1)).toBeLessThan((clean.heldOut[0] ?? 0) - 0.5);
});

it.each<[Attack, string]>([
  [signFlip, "loss-score-too-low"],
  [lazyZero, "loss-score-too-low"],
  [malformedRecords, "malformed-payload"],
  [duplicateIndices, "malformed-payload"],
  [replay, "malformed-payload"],
  [wrongBase, "wrong-state"],
  [hugeObject, "no-commit"],
  [lateUpload, "incomplete-upload"],
])("$name is caught by its own reason, and nothing of it is ever used: %#", async (attack, code) => {
  const played = await attacked(attack);
  const outcome = outcomeOf(played, clean);
  expect(played.rounds.every((round) => round.outcome === "applied")).toBe(true);
  expect(outcome.caughtBy[0]).toBe(code);
  expect(outcome.roundsUntilHarmless).toBe(0);
  expect(outcome.rewardShare).toBe(0);
  expect(outcome.honestRefused).toBe(0);
});

it("a spike in a raw tensor is clipped away with the update that carries it", async () => {
  const { rounds, attackers } = await attacked(rawTensorSpike);
  for (const { finished } of rounds) {
    const settled = finished.close.body.submissions.find(({ peer }) => peer === attackers[0]);
    expect(f32FromHex(settled?.clip ?? "")).toBeLessThan(1e-20);
  }
});

it("a copy shares one slot and one share with its original, and nobody is blamed", async () => {
  const { rounds, honest } = await attacked(copy);
  for (const { finished, receipts } of rounds) {
    expect(finished.close.body.clusters.length).toBeGreaterThan(0);
    for (const peer of honest) expect(receipts.find((one) => one.peer === peer)?.verdict).not.toBe("refused");
    const shares = receipts.map(({ share }) => f64FromHex(share)).reduce((sum, share) => sum + share, 0);
    expect(shares).toBeCloseTo(1, 9);
  }
});

it("keys that only announce keep nobody out who delivers", async () => {
  const { rounds, honest } = await attacked(idleAnnouncers);
  for (const { receipts } of rounds)
    for (const peer of honest) expect(receipts.find((one) => one.peer === peer)?.verdict).toBe("selected");
});

it.each([colludingEvaluator, copyingEvaluator, constantEvaluator, silentEvaluator])(
  "$name costs the rounds nothing",
  async (attack) => {
    const played = await attacked(attack);
    expect(played.heldOut).toEqual(clean.heldOut.map((loss) => expect.closeTo(loss, 1)));
    expect(played.rounds.every(({ outcome }) => outcome === "applied")).toBe(true);
    const outcome = outcomeOf(played, clean);
    expect(outcome.honestRefused).toBe(0);
    // Who is not heard cannot be found wrong; everybody else who lies is.
    if (attack !== silentEvaluator) expect(outcome.evaluatorFaults).toBeGreaterThan(0);
  },
);
