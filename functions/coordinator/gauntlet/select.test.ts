import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Close,
  f32FromHex,
  f32ToHex,
  f64FromHex,
  f64ToHex,
  type Judgement,
  type KeyStanding,
} from "../../../schemas/index.ts";
import {
  configWith,
  digest,
  establishedEntry,
  evaluateFacts,
  includedSubmission,
  jobOf,
  ledgerEntry,
  ledgerFrom,
  peerId,
  peerIds,
  runFacts,
} from "../testing/facts.ts";
import type { JobOpinion } from "./opinions.ts";
import { select } from "./select.ts";

function judgement(
  peer: string,
  { score = 1, lossScore = 0.1, standing = "established" as KeyStanding } = {},
): Judgement {
  const one = f64ToHex(1);
  return {
    peer,
    lossScore: f64ToHex(lossScore),
    standardError: f64ToHex(0.01),
    needed: f64ToHex(0),
    eligible: lossScore > 0,
    matrix: null,
    rating: { mu: one, sigma: one },
    place: 1,
    assignmentScore: one,
    countedRounds: 0,
    standing,
    factors: { assignment: one, rating: one, presence: one, penalty: one },
    peerScore: f64ToHex(score),
  };
}

interface Options {
  maxSelected?: number;
  close?: Partial<Close>;
}
function chosen(judgements: readonly Judgement[], { maxSelected = 20, close = {} }: Options = {}) {
  const run = runFacts({ config: configWith("gauntlet", { maxSelected }) });
  const peers = judgements.map(({ peer }) => peer);
  return select(evaluateFacts(peers, { run, close, reported: false }), judgements);
}

const clusterOf = (...peers: string[]): Close["clusters"][number] => ({
  peers,
  overlap: 1,
  threshold: 0.65,
  identical: true,
});
const sharesOf = ({ selected, notSelected }: ReturnType<typeof select>) =>
  [...selected, ...notSelected].map(({ share }) => f64FromHex(share));
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

describe("selection", () => {
  it("uses everybody whose update helps, with equal weight, ascending by id", () => {
    const { selected, notSelected } = chosen(
      peerIds(3)
        .map((peer) => judgement(peer))
        .reverse(),
    );
    expect(selected.map(({ peer }) => peer)).toEqual(peerIds(3));
    expect(new Set(selected.map(({ weight }) => weight))).toEqual(new Set([f32ToHex(1 / 3)]));
    expect(notSelected).toEqual([]);
  });

  it("multiplies weight and clip once, in float32", () => {
    const clip = Math.fround(0.7);
    const submissions = peerIds(3).map((peer) => ({ ...includedSubmission(peer), clip: f32ToHex(clip) }));
    const { selected } = chosen(
      peerIds(3).map((peer) => judgement(peer)),
      { close: { submissions } },
    );
    expect(selected[0]?.coefficient).toBe(f32ToHex(Math.fround(1 / 3) * clip));
  });

  it("never uses an update that does not help, however few there are", () => {
    const { selected, notSelected } = chosen([
      judgement(peerId(1)),
      judgement(peerId(2)),
      judgement(peerId(3), { lossScore: 0 }),
      judgement(peerId(4), { lossScore: Number.NEGATIVE_INFINITY }),
    ]);
    expect(selected.map(({ peer }) => peer)).toEqual(peerIds(2));
    expect(notSelected.map(({ reason }) => reason)).toEqual([
      { code: "loss-score-too-low", lossScore: 0, standardError: 0.01, needed: 0 },
      { code: "loss-score-too-low", lossScore: -Number.MAX_VALUE, standardError: 0.01, needed: 0 },
    ]);
  });

  it("uses nobody when fewer than minSubmissions help", () => {
    const { selected, notSelected } = chosen([judgement(peerId(1)), judgement(peerId(2), { lossScore: -1 })]);
    expect(selected).toEqual([]);
    expect(notSelected.map(({ reason }) => reason.code)).toEqual(["too-few-eligible", "loss-score-too-low"]);
  });

  it("takes the best PeerScores when there are more than slots", () => {
    const { selected, notSelected } = chosen(
      peerIds(5).map((peer, i) => judgement(peer, { score: (i * 3) % 5 })),
      { maxSelected: 2 },
    );
    // Scores 0, 3, 1, 4, 2.
    expect(selected.map(({ peer }) => peer)).toEqual([peerId(2), peerId(4)]);
    expect(notSelected.map(({ reason }) => reason)).toEqual([
      { code: "no-free-slot", rank: 5, slots: 2, standing: "established", peerScore: 0 },
      { code: "no-free-slot", rank: 4, slots: 2, standing: "established", peerScore: 1 },
      { code: "no-free-slot", rank: 3, slots: 2, standing: "established", peerScore: 2 },
    ]);
  });

  it("draws lots among equal PeerScores", () => {
    const first = (seed: string) =>
      chosen(
        peerIds(6).map((peer) => judgement(peer)),
        { maxSelected: 1, close: { seed: digest(seed) } },
      ).selected[0]?.peer;
    expect(new Set(["a", "b", "c", "d", "e", "f", "g"].map(first)).size).toBeGreaterThan(2);
  });

  it("keeps slots for keys on probation, by lot: a tenth, or what established peers leave", () => {
    const established = peerIds(20).map((peer) => judgement(peer, { score: 5 }));
    const newcomers = Array.from({ length: 30 }, (_, i) =>
      judgement(peerId(100 + i), { score: i, standing: "probation" }),
    );
    const inSlots = (some: readonly Judgement[], seed: string) =>
      chosen(some, { close: { seed: digest(seed) } }).selected.map(({ peer }) => peer);
    const isNew = (peer: string) => newcomers.some((one) => one.peer === peer);
    expect(inSlots([...established, ...newcomers], "a").filter(isNew)).toHaveLength(2);
    expect(inSlots([...established.slice(0, 5), ...newcomers], "a").filter(isNew)).toHaveLength(15);
    // By lot, not by score: a score is what a newcomer cannot have yet.
    const drawn = ["a", "b", "c", "d", "e"].flatMap((seed) =>
      inSlots([...established, ...newcomers], seed).filter(isNew),
    );
    expect(new Set(drawn).size).toBeGreaterThan(6);
  });

  it("replaces whoever drops out by the reserve, and pays the reserve", () => {
    const all = peerIds(3).map((peer, i) => judgement(peer, { score: 3 - i }));
    const full = chosen(all, { maxSelected: 2 });
    expect(full.selected.map(({ peer }) => peer)).toEqual(peerIds(2));
    expect(f64FromHex(full.notSelected[0]?.share ?? "")).toBeCloseTo(1 / 14, 12);
    const without = chosen(all.slice(1), { maxSelected: 2 });
    expect(without.selected.map(({ peer }) => peer)).toEqual([peerId(2), peerId(3)]);
  });

  it("names the established half, to be used alone if the guard refuses the sum of all", () => {
    const { established, selected } = chosen([
      judgement(peerId(1), { score: 2 }),
      judgement(peerId(2), { score: 1 }),
      judgement(peerId(3), { score: 4, standing: "probation" }),
    ]);
    expect(selected).toHaveLength(3);
    expect(established.map(({ peer, weight }) => [peer, f32FromHex(weight)])).toEqual([
      [peerId(1), 0.5],
      [peerId(2), 0.5],
    ]);
    expect(established.map(({ share }) => f64FromHex(share))).toEqual([0.8, 0.2]);
    // One alone is no half: then nothing is used.
    expect(
      chosen([judgement(peerId(1)), judgement(peerId(2), { standing: "probation" })]).established,
    ).toEqual([]);
  });

  describe("of updates that nobody judged", () => {
    const helped = { lossScore: f64ToHex(0.1), peerScore: f64ToHex(1), lastRound: 3 };
    const ledger = ledgerFrom([
      establishedEntry(peerId(8), helped),
      establishedEntry(peerId(7), helped),
      establishedEntry(peerId(6), { ...helped, lossScore: null }),
      establishedEntry(peerId(5), { ...helped, lossScore: f64ToHex(-0.1) }),
      ledgerEntry(peerId(4), helped),
    ]);
    const run = runFacts({ round: 4, previous: { ...runFacts().previous, ledger } });
    const facts = evaluateFacts(peerIds(8), { run, reported: false });

    it("uses established peers that helped when they were last judged, at a quarter of the weight together", () => {
      const { selected, notSelected } = select(facts, [judgement(peerId(1)), judgement(peerId(2))]);
      expect(selected.map(({ peer, judged }) => [peer, judged])).toEqual([
        [peerId(1), true],
        [peerId(2), true],
        [peerId(7), false],
        [peerId(8), false],
      ]);
      const weights = selected.map(({ weight }) => f32FromHex(weight));
      expect(sum(weights)).toBeCloseTo(1, 6);
      expect(sum(weights.slice(2))).toBeCloseTo(1 / 4, 6);
      expect(notSelected.map(({ peer, reason }) => [peer, reason.code])).toEqual(
        [3, 4, 5, 6].map((n) => [peerId(n), "not-judged"]),
      );
    });

    it("gives them no more than anybody else", () => {
      const judgements = [1, 2, 3, 4, 5, 6].map((n) => judgement(peerId(n)));
      const weights = select(facts, judgements).selected.map(({ weight }) => f32FromHex(weight));
      expect(new Set(weights)).toEqual(new Set([Math.fround(1 / 8)]));
    });

    it("uses none of them where too few were judged: the gate is never waived", () => {
      const { selected, notSelected } = select(facts, [judgement(peerId(1))]);
      expect(selected).toEqual([]);
      expect(notSelected).toHaveLength(8);
    });

    it("says why nobody judged them", () => {
      const opinions = [{ job: jobOf([peerId(3)]), disputed: true }] as JobOpinion[];
      const causes = select(facts, [judgement(peerId(1)), judgement(peerId(2))], opinions).notSelected.map(
        ({ peer, reason }) => [peer, reason.code === "not-judged" && reason.cause],
      );
      expect(causes.slice(0, 2)).toEqual([
        [peerId(3), "disagreement"],
        [peerId(4), "no-report"],
      ]);
    });

    it("uses none that stands in no job: nobody would ever judge it", () => {
      const plan = { ...facts.close.body.plan, jobs: [] };
      const close = { ...facts.close, body: { ...facts.close.body, plan } };
      const two = [judgement(peerId(1)), judgement(peerId(2))];
      const { selected, notSelected } = select({ ...facts, close }, two);
      expect(selected.map(({ peer }) => peer)).toEqual(peerIds(2));
      const causes = notSelected.map(({ reason }) => reason.code === "not-judged" && reason.cause);
      expect(new Set(causes)).toEqual(new Set(["budget"]));
    });

    it("lets the judged one stand for a cluster of copies", () => {
      const close = {
        ...facts.close,
        body: { ...facts.close.body, clusters: [clusterOf(peerId(1), peerId(8))] },
      };
      const two = [judgement(peerId(1)), judgement(peerId(2))];
      const { selected, notSelected } = select({ ...facts, close }, two);
      expect(selected.map(({ peer }) => peer)).toEqual([peerId(1), peerId(2), peerId(7)]);
      expect(notSelected.find(({ peer }) => peer === peerId(8))?.reason.code).toBe("copy");
    });
  });

  it("pays by PeerScore squared, never by slot", () => {
    const { selected } = chosen([judgement(peerId(1), { score: 3 }), judgement(peerId(2), { score: 1 })]);
    expect(selected.map(({ share }) => f64FromHex(share))).toEqual([0.9, 0.1]);
  });

  it("pays nobody when nobody has a score", () => {
    const { selected } = chosen(peerIds(2).map((peer) => judgement(peer, { score: 0 })));
    expect(selected.map(({ share }) => f64FromHex(share))).toEqual([0, 0]);
  });

  // Found by a simulation of 10,000 peers: each of a thousand copies named all the others, and nobody could read the
  // selection any more: a round that could not end, for the price of a thousand keys.
  it("says of thousands of copies no more than of a few", () => {
    const copies = peerIds(400);
    const result = chosen(
      copies.map((peer) => judgement(peer)),
      { close: { clusters: [{ peers: copies, overlap: 1, threshold: 0.65, identical: true }] } },
    );
    expect(result.notSelected).toHaveLength(400);
    const [bytes] = [JSON.stringify(result.notSelected).length];
    expect(bytes / result.notSelected.length).toBeLessThan(1_000);
  });

  it("gives a cluster one slot and one share, split between its members", () => {
    const [one, two, three, four] = peerIds(4) as [string, string, string, string];
    const result = chosen(
      peerIds(4).map((peer) => judgement(peer)),
      { close: { clusters: [clusterOf(one, three)] } },
    );
    expect(result.selected).toHaveLength(3);
    expect(result.selected.map(({ peer }) => peer)).toEqual(expect.arrayContaining([two, four]));
    const [copy] = result.notSelected;
    expect(copy?.reason).toMatchObject({ code: "copy", identical: true });
    expect([one, three]).toContain(copy?.peer);
    expect(f64FromHex(copy?.share ?? "")).toBeCloseTo(1 / 6, 12);
    expect(sum(sharesOf(result))).toBeCloseTo(1, 12);
  });

  it("gives slot and share of a cluster to whom others have aped: the score squared divides it", () => {
    for (const seed of ["a", "b", "c"]) {
      const [victim, ape, other] = peerIds(3) as [string, string, string];
      const result = (scores: readonly [number, number]) =>
        chosen(
          [judgement(victim, { score: scores[0] }), judgement(ape, { score: scores[1] }), judgement(other)],
          { close: { clusters: [clusterOf(victim, ape)], seed: digest(seed) } },
        );
      const aped = result([1, 0]);
      expect(aped.selected.map(({ peer, share }) => [peer, f64FromHex(share)])).toEqual([
        [victim, 0.5],
        [other, 0.5],
      ]);
      expect(aped.notSelected.map(({ peer, share }) => [peer, f64FromHex(share)])).toEqual([[ape, 0]]);
      const better = result([0.5, 1]);
      expect(better.selected.map(({ peer }) => peer)).toEqual([ape, other]);
      expect(f64FromHex(better.selected[0]?.share ?? "")).toBeCloseTo(0.4, 12);
      expect(f64FromHex(better.notSelected[0]?.share ?? "")).toBeCloseTo(0.1, 12);
      expect(sum(sharesOf(result([0, 0])))).toBeCloseTo(1, 12);
    }
  });

  describe("pays a cluster no more than what is usual", () => {
    const shareIn = (result: ReturnType<typeof chosen>, peer: string) =>
      f64FromHex([...result.selected, ...result.notSelected].find((each) => each.peer === peer)?.share ?? "");
    const [one, two, low, middle, high] = peerIds(5) as [string, string, string, string, string];
    const scored = (scores: Readonly<Record<string, number>>, standing: KeyStanding = "established") =>
      Object.entries(scores).map(([peer, score]) => judgement(peer, { score, standing }));
    const clusters = [clusterOf(one, two)];

    // Three keys that train a third each and send the sum have the clearest assignment scores of all, and one of them stood for
    // them with twice the share of an honest key.
    it("however good its best", () => {
      const scores = scored({ [one]: 4, [two]: 4, [low]: 1, [middle]: 2, [high]: 3 });
      const result = chosen(scores, { close: { clusters } });
      expect([one, two, low, middle, high].map((peer) => 18 * shareIn(result, peer))).toEqual(
        [2, 2, 1, 4, 9].map((part) => expect.closeTo(part, 12)),
      );
    });

    it("and not less for those that others shadow: they are among the usual ones themselves", () => {
      const [three, four] = [peerId(6), peerId(7)];
      const honest = { [one]: 1, [low]: 1, [middle]: 1, [high]: 1 };
      const shadows = scored({ [two]: 0.1, [three]: 0.1, [four]: 0.1 }, "probation");
      const all = [clusterOf(one, two), clusterOf(low, three), clusterOf(middle, four)];
      const result = chosen([...scored(honest), ...shadows], { close: { clusters: all } });
      for (const peer of Object.keys(honest)) expect(shareIn(result, peer)).toBeGreaterThan(0.99 / 4);
    });

    it("but for a copy that did not pass itself, which takes nothing", () => {
      const scores = scored({ [one]: 4, [low]: 1, [middle]: 2, [high]: 3 });
      const result = chosen([...scores, judgement(two, { lossScore: -1 })], { close: { clusters } });
      expect(shareIn(result, one)).toBeCloseTo(16 / 30, 12);
    });

    it("and something while most have no score yet", () => {
      const scores = scored({ [one]: 1, [two]: 0, [low]: 0, [middle]: 0, [high]: 0.5 }, "probation");
      expect(shareIn(chosen(scores, { close: { clusters } }), one)).toBeCloseTo(0.8, 12);
    });

    it("of those who help, while too few are established", () => {
      const idle = peerIds(12)
        .slice(5)
        .map((peer) => judgement(peer, { score: 0.01, lossScore: 0.001, standing: "probation" }));
      const scores = scored({ [one]: 1, [two]: 1, [low]: 1, [middle]: 1, [high]: 1 }, "probation");
      expect(shareIn(chosen([...scores, ...idle], { close: { clusters } }), one)).toBeCloseTo(1 / 8, 3);
    });

    it("where only the established half is used, too", () => {
      const scores = scored({ [one]: 4, [two]: 4, [low]: 1, [middle]: 2, [high]: 3 });
      const { established } = chosen(scores, { close: { clusters } });
      const paid = established.map(({ peer, share }) => [peer, 18 * f64FromHex(share)]);
      expect(Object.fromEntries(paid)).toMatchObject({
        [low]: expect.closeTo(1, 12),
        [middle]: expect.closeTo(4, 12),
        [high]: expect.closeTo(9, 12),
      });
      expect(established).toHaveLength(4);
    });
  });

  it("does not know who is the original: a draw says who stands for a cluster", () => {
    const standing = (seed: string) =>
      chosen(
        peerIds(3).map((peer) => judgement(peer)),
        { close: { clusters: [clusterOf(peerId(1), peerId(2))], seed: digest(seed) } },
      ).notSelected[0]?.peer;
    expect(new Set(["a", "b", "c", "d", "e", "f"].map(standing)).size).toBe(2);
  });

  it("lets a good member stand for a cluster whose others do not help", () => {
    const result = chosen(
      [judgement(peerId(1), { lossScore: -1 }), judgement(peerId(2)), judgement(peerId(3))],
      { close: { clusters: [clusterOf(peerId(1), peerId(2))] } },
    );
    expect(result.selected.map(({ peer }) => peer)).toEqual([peerId(2), peerId(3)]);
    expect(f64FromHex(result.selected[0]?.share ?? "")).toBe(0.5);
  });

  it("counts a cluster once: two copies alone are too few", () => {
    const { selected, notSelected } = chosen(
      peerIds(2).map((peer) => judgement(peer)),
      { close: { clusters: [clusterOf(peerId(1), peerId(2))] } },
    );
    expect(selected).toEqual([]);
    expect(notSelected.map(({ reason }) => reason.code).sort()).toEqual(["copy", "too-few-eligible"]);
  });

  it("gives every included peer a place or a reason, weights of 1 together, and at most one share", () => {
    const anyPeer = fc.record({
      lossScore: fc.constantFrom(-1, 0, 0.1, 0.2, Number.NEGATIVE_INFINITY),
      score: fc.double({ min: 0, max: 20, noNaN: true }),
      judged: fc.boolean(),
      cluster: fc.constantFrom(0, 0, 0, 1, 2),
    });
    fc.assert(
      fc.property(
        fc.array(anyPeer, { maxLength: 30 }),
        fc.integer({ min: 1, max: 25 }),
        fc.nat(1_000),
        (list, maxSelected, seed) => {
          const peers = peerIds(list.length);
          const clusters = [1, 2].flatMap((c) => {
            const members = peers.filter((_, i) => list[i]?.cluster === c);
            return members.length > 1 ? [clusterOf(...members)] : [];
          });
          const run = runFacts({ config: configWith("gauntlet", { maxSelected }) });
          const facts = evaluateFacts(peers, {
            run,
            reported: false,
            close: { clusters, seed: digest(`${seed}`) },
          });
          const judgements = peers.flatMap((peer, i) => {
            const one = list[i];
            return one?.judged ? [judgement(peer, one)] : [];
          });
          const result = select(facts, judgements);

          const named = [...result.selected, ...result.notSelected].map(({ peer }) => peer);
          expect(named.sort()).toEqual(peers);
          expect(result.selected.length).toBeLessThanOrEqual(maxSelected);
          const weights = result.selected.map(({ weight }) => f32FromHex(weight));
          if (weights.length > 0) expect(Math.abs(sum(weights) - 1)).toBeLessThan(weights.length * 2 ** -25);
          for (const { peers } of clusters)
            expect(result.selected.filter(({ peer }) => peers.includes(peer)).length).toBeLessThanOrEqual(1);
          const shares = sharesOf(result);
          expect(shares.every((share) => share >= 0)).toBe(true);
          expect(sum(shares)).toBeLessThanOrEqual(1 + 1e-9);
          for (const { peer } of result.selected) {
            const one = list[peers.indexOf(peer)];
            expect(one?.judged && one.lossScore > 0).toBe(true);
          }
        },
      ),
      { numRuns: 200, seed: 1 },
    );
  });
});
