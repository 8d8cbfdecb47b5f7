import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Close,
  f32FromHex,
  f32ToHex,
  f64FromHex,
  f64ToHex,
  type Judgement,
} from "../../../schemas/index.ts";
import {
  configWith,
  digest,
  evaluateFacts,
  includedSubmission,
  peerId,
  peerIds,
  runFacts,
} from "../testing/facts.ts";
import { select } from "./select.ts";

function judgement(peer: string, { score = 1, lossScore = 0.1 } = {}): Judgement {
  const one = f64ToHex(1);
  return {
    peer,
    lossScore: f64ToHex(lossScore),
    standardError: f64ToHex(0.01),
    eligible: lossScore > 0,
    matrix: null,
    rating: { mu: one, sigma: one },
    place: 1,
    assignmentScore: one,
    countedRounds: 0,
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
      { code: "loss-score-not-positive", lossScore: 0, standardError: 0.01 },
      { code: "loss-score-not-positive", lossScore: -Number.MAX_VALUE, standardError: 0.01 },
    ]);
  });

  it("uses nobody when fewer than minSubmissions help", () => {
    const { selected, notSelected } = chosen([judgement(peerId(1)), judgement(peerId(2), { lossScore: -1 })]);
    expect(selected).toEqual([]);
    expect(notSelected.map(({ reason }) => reason.code)).toEqual([
      "too-few-eligible",
      "loss-score-not-positive",
    ]);
  });

  it("takes the best PeerScores when there are more than slots", () => {
    const { selected, notSelected } = chosen(
      peerIds(5).map((peer, i) => judgement(peer, { score: (i * 3) % 5 })),
      { maxSelected: 2 },
    );
    // Scores 0, 3, 1, 4, 2.
    expect(selected.map(({ peer }) => peer)).toEqual([peerId(2), peerId(4)]);
    expect(notSelected.map(({ reason }) => reason)).toEqual([
      { code: "no-free-slot", rank: 5, slots: 2, peerScore: 0 },
      { code: "no-free-slot", rank: 4, slots: 2, peerScore: 1 },
      { code: "no-free-slot", rank: 3, slots: 2, peerScore: 2 },
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
