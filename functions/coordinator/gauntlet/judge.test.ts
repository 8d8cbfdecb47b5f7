import { describe, expect, it } from "vitest";
import { type Close, f64FromHex, f64ToHex, judgement as judgementSchema } from "../../../schemas/index.ts";
import {
  configWith,
  digest,
  establishedEntry,
  evaluateFacts,
  type Gains,
  includedSubmission,
  ledgerEntry,
  ledgerFrom,
  peerId,
  peerIds,
  reportOf,
  runFacts,
  testConfig,
} from "../testing/facts.ts";
import { judgeRound as judgeWith, opinionsOf } from "./judge.ts";

const judgeRound = (facts: Parameters<typeof opinionsOf>[0]) => judgeWith(facts, opinionsOf(facts));

const peers = peerIds(5);
/** Everybody helps by 0.1 on the anchor and on others' text, by 0.15 on its own. */
const honest = (_: string, place: number): Gains => ({
  anchor: [0.1, 0.11, 0.09, 0.1],
  owned: peers.map((_, owner) => (owner === place ? 0.15 : 0.1)),
});

function judged(facts = evaluateFacts(peers, { gains: honest })) {
  const round = judgeRound(facts);
  const of = (n: number) => {
    const found = round.judgements.find(({ peer }) => peer === peerId(n));
    if (found === undefined) throw new Error(`peer ${n} was not judged`);
    return found;
  };
  return { ...round, of };
}

describe("a judgement", () => {
  it("fits its contract and stands by peer id", () => {
    const { judgements } = judged();
    expect(judgements.map(({ peer }) => peer)).toEqual(peers);
    for (const one of judgements) expect(judgementSchema.parse(one)).toEqual(one);
  });

  it("holds LossScore, standard error and the matrix with its parts", () => {
    const one = judged().of(1);
    expect(f64FromHex(one.lossScore)).toBeCloseTo(0.1, 6);
    expect(f64FromHex(one.standardError)).toBeGreaterThan(0);
    expect(one.eligible).toBe(true);
    expect(f64FromHex(one.matrix?.z ?? "")).toBeCloseTo(0.05, 6);
    expect(f64FromHex(one.assignmentScore)).toBeCloseTo(0.1, 6);
    expect(one.countedRounds).toBe(1);
  });

  it.each([
    ["no change at all", 0, false],
    ["a worse model", -0.1, false],
    ["less than a tenth of what others help", 0.009, false],
    ["a little more than that", 0.011, true],
    ["a model that is not a number", Number.NaN, false],
    ["an endless loss", Number.NEGATIVE_INFINITY, false],
    ["a loss of minus infinity", Number.POSITIVE_INFINITY, false],
  ])("of %s", (_, gain, eligible) => {
    const gains = (peer: string, place: number) =>
      place === 0 ? { anchor: [gain], owned: peers.map(() => gain) } : honest(peer, place);
    expect(judged(evaluateFacts(peers, { gains })).of(1).eligible).toBe(eligible);
  });

  it("of an established peer needs the least improvement that float32 shows", () => {
    const gains = (peer: string, place: number) =>
      place === 0 ? { anchor: [1e-6], owned: peers.map(() => 1e-6) } : honest(peer, place);
    const run = runFacts({
      previous: { ...runFacts().previous, ledger: ledgerFrom([establishedEntry(peerId(1))]) },
    });
    expect(judged(evaluateFacts(peers, { gains, run })).of(1).eligible).toBe(true);
  });

  it("of a broken update spoils nobody else's", () => {
    const gains = (peer: string, place: number) =>
      place === 0 ? { anchor: [Number.NaN], owned: peers.map(() => Number.NaN) } : honest(peer, place);
    const { of } = judged(evaluateFacts(peers, { gains }));
    for (const n of [2, 3, 4, 5]) expect(f64FromHex(of(n).matrix?.z ?? "")).toBeCloseTo(0.05, 6);
    expect(f64FromHex(of(1).assignmentScore)).toBeCloseTo(-0.1, 9);
  });

  it("finds who trained another's text", () => {
    const gains = (peer: string, place: number) =>
      place === 2 ? { anchor: [0.1], owned: [0.15, 0.1, 0.1, 0.1, 0.1] } : honest(peer, place);
    const { of } = judged(evaluateFacts(peers, { gains }));
    // Its row is trimmed, so the text it did train does not count against it; its own text gives it nothing.
    expect(f64FromHex(of(3).assignmentScore)).toBeLessThanOrEqual(0);
    expect(f64FromHex(of(1).assignmentScore)).toBeGreaterThan(0);
  });

  it("keeps the assignment score in a group of less than four", () => {
    const few = peerIds(3);
    const ledger = ledgerFrom([ledgerEntry(peerId(1), { assignmentScore: f64ToHex(0.3), countedRounds: 7 })]);
    const run = runFacts({ round: 9, previous: { ...runFacts().previous, ledger } });
    const one = judged(evaluateFacts(few, { run })).of(1);
    expect(one.matrix).toBeNull();
    expect([f64FromHex(one.assignmentScore), one.countedRounds]).toEqual([0.3, 7]);
  });

  it("scales the assignment score by established peers", () => {
    const ledger = ledgerFrom(peers.slice(0, 3).map((peer) => establishedEntry(peer)));
    const run = runFacts({ round: 9, previous: { ...runFacts().previous, ledger } });
    const round = judged(evaluateFacts(peers, { run, gains: honest }));
    expect(f64FromHex(round.assignmentScale ?? "")).toBeCloseTo(0.05, 6);
    // While nobody is established, by those that help.
    expect(f64FromHex(judged().assignmentScale ?? "")).toBeCloseTo(0.05, 6);
    const nobody = judged(
      evaluateFacts(peers, { gains: () => ({ anchor: [-0.1], owned: [0, 0, 0, 0, 0] }) }),
    );
    expect(nobody.assignmentScale).toBeNull();
    expect(nobody.of(1).countedRounds).toBe(0);
  });

  it("ranks by LossScore, refused ones behind them, those that did not deliver last", () => {
    const submissions: Close["submissions"] = [
      ...peers.map(includedSubmission),
      {
        ...includedSubmission(peerId(6)),
        verdict: "refused",
        refusal: { code: "wrong-state-proof" },
        clip: null,
      },
      {
        ...includedSubmission(peerId(7)),
        verdict: "late",
        refusal: { code: "late-commit", committedAt: "", commitBy: "" },
        clip: null,
      },
      {
        ...includedSubmission(peerId(8)),
        verdict: "incomplete",
        refusal: { code: "round-closed-early", missingCount: 1 },
        clip: null,
      },
      // Not of the roster.
      {
        ...includedSubmission(peerId(9)),
        verdict: "refused",
        refusal: { code: "not-in-roster" },
        clip: null,
      },
    ];
    const gains = (_: string, place: number) => ({
      anchor: [0.1 * (place + 1)],
      owned: peers.map(() => 0.1),
    });
    const facts = evaluateFacts(peers, { gains, close: { submissions }, roster: peerIds(8) });
    const { of, judgements } = judged(facts);
    expect([5, 4, 3, 2, 1].map((n) => of(n).place)).toEqual([1, 2, 3, 4, 5]);
    const ratings = [5, 4, 3, 2, 1].map((n) => f64FromHex(of(n).rating.mu));
    expect(ratings).toEqual([...ratings].sort((a, b) => b - a));
    expect(judgements).toHaveLength(5);
    const [refused, late, ...others] = judgeRound(facts).ratedLast.map(({ peer, rating }) => ({
      peer,
      mu: f64FromHex(rating.mu),
    }));
    expect([refused?.peer, late?.peer, others]).toEqual([peerId(6), peerId(7), []]);
    expect(refused?.mu).toBeGreaterThan(late?.mu ?? 0);
  });

  it("breaks ties by a draw of this round, so that nobody always wins them", () => {
    const winners = ["a", "b", "c", "d", "e", "f", "g", "h"].map((seed) => {
      const facts = evaluateFacts(peers, { gains: honest, close: { seed: digest(seed) } });
      return judgeRound(facts).judgements.find(({ place }) => place === 1)?.peer;
    });
    expect(new Set(winners).size).toBeGreaterThan(2);
  });

  it("does not depend on the order in which reports are listed", () => {
    const facts = evaluateFacts(peers, { gains: honest });
    const worse = reportOf(facts.close, () => ({ anchor: [-1], owned: [] }), { evaluator: peerId(904) });
    const both = judgeRound({ ...facts, reports: [...facts.reports, worse] });
    expect(judgeRound({ ...facts, reports: [worse, ...facts.reports] })).toEqual(both);
    expect(both.judgements).toEqual(judgeRound(facts).judgements);
    expect(both.reports.map(({ evaluator, counted }) => [evaluator, counted])).toEqual([
      [peerId(903), true],
      [peerId(904), false],
    ]);
  });

  it("stores what judging an update cost: the median over evaluators, no more than a factor of two from before", () => {
    const after = (secondsPerUpdate: number | null) => {
      const run = runFacts({ previous: { ...runFacts().previous, secondsPerUpdate } });
      return f64FromHex(judgeRound(evaluateFacts(peers, { gains: honest, run })).secondsPerUpdate ?? "");
    };
    expect([0.15, 0.4, 0.02].map(after)).toEqual([0.1, 0.2, 0.04]);
    // Before anything was measured the configuration's word counts.
    expect(after(null)).toBe(testConfig.gauntlet.judging.secondsPerUpdate / 2);
    const facts = evaluateFacts(peers, { gains: honest });
    expect(judgeRound({ ...facts, reports: [] }).secondsPerUpdate).toBeNull();
  });

  it("takes no job to have cost more than its window, whatever its report says", () => {
    const longest = testConfig.windows.evaluationSeconds / peers.length;
    const run = runFacts({ previous: { ...runFacts().previous, secondsPerUpdate: longest } });
    const facts = evaluateFacts(peers, { gains: honest, run });
    const reports = facts.reports.map((one) => ({ ...one, report: { ...one.report, seconds: 1e9 } }));
    expect(f64FromHex(judgeRound({ ...facts, reports }).secondsPerUpdate ?? "")).toBe(longest);
  });

  it("counts the warm-up by the run's rounds: a fresh key late in a run begins at nothing", () => {
    const ledger = ledgerFrom([ledgerEntry(peerId(1), { countedRounds: 9, assignmentScore: f64ToHex(0.6) })]);
    const run = runFacts({ round: 10, previous: { ...runFacts().previous, ledger } });
    const { of } = judged(evaluateFacts(peers, { run, gains: honest }));
    expect(f64FromHex(of(2).factors.assignment)).toBeCloseTo(0.1, 9);
    expect(f64FromHex(of(1).factors.assignment)).toBeCloseTo(0.64, 9);
    expect(f64FromHex(judged().of(2).factors.assignment)).toBe(1);
  });

  it("lowers the score of one with faults, and of one that comes only now and then", () => {
    const ledger = ledgerFrom([
      ledgerEntry(peerId(1), { deliveredRounds: [2, 3, 4, 5, 6, 7, 8] }),
      ledgerEntry(peerId(2), {
        deliveredRounds: [2, 3, 4, 5, 6, 7, 8],
        recent: ["fault", "delivered", "fault"],
      }),
      ledgerEntry(peerId(3), { deliveredRounds: [5] }),
      ledgerEntry(peerId(4), { deliveredRounds: [1] }),
    ]);
    const run = runFacts({ round: 9, previous: { ...runFacts().previous, ledger } });
    const { of } = judged(evaluateFacts(peers, { run, gains: honest }));
    const presence = (n: number) => f64FromHex(of(n).factors.presence);
    const penalty = (n: number) => f64FromHex(of(n).factors.penalty);
    expect([1, 2, 3, 4, 5].map(presence)).toEqual([1, 1, 2 / 8, 1 / 8, 1]);
    expect([1, 2, 3].map(penalty)).toEqual([1, 0.75 ** 2, 1]);
  });

  it("can be the published rule: own minus random", () => {
    const run = runFacts({ config: configWith("gauntlet", { assignedTest: "own-minus-random" }) });
    const one = judged(evaluateFacts(peerIds(2), { run, gains: honest })).of(1);
    expect(f64FromHex(one.matrix?.z ?? "")).toBeCloseTo(0.05, 6);
    expect(one.countedRounds).toBe(1);
  });

  // It once was so: both figures of a broken update are -Infinity, their difference is NaN, and so is the assignment
  // score, from then on and for ever; after the warm-up so is the PeerScore, and select.ts:83 pays nobody in any round in
  // which such a key is selected. One broken update and some good ones take everybody's share away.
  it("of a broken update under the published rule is a number", () => {
    const run = runFacts({ config: configWith("gauntlet", { assignedTest: "own-minus-random" }) });
    const gains = (peer: string, place: number) =>
      place === 0 ? { anchor: [Number.NaN], owned: peers.map(() => Number.NaN) } : honest(peer, place);
    const one = judged(evaluateFacts(peers, { run, gains })).of(1);
    expect(f64FromHex(one.assignmentScore)).not.toBeNaN();
  });
});
