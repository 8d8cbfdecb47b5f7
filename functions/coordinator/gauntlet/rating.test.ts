import { describe, expect, it } from "vitest";
import { peerId, peerIds, testConfig } from "../testing/facts.ts";
import { initialSkill, ordinal, rateRound, type Skill, unrated } from "./rating.ts";

const settings = testConfig.gauntlet.rating;
const start = initialSkill(settings);

function ordinalsAfter(rounds: number, order: (round: number) => { peer: string; helped?: boolean }[]) {
  const skills = new Map<string, Skill>();
  for (let round = 0; round < rounds; round++) {
    const places = order(round).map(({ peer, helped = true }) => ({
      peer,
      helped,
      skill: skills.get(peer) ?? start,
    }));
    for (const [peer, skill] of rateRound(places, settings)) skills.set(peer, skill);
  }
  return (n: number) => ordinal(skills.get(peerId(n)) ?? start);
}

const table = (...numbers: number[]) => numbers.map((n) => ({ peer: peerId(n) }));

describe("the LossRating", () => {
  it("follows the places", () => {
    const rating = ordinalsAfter(1, () => table(3, 1, 2));
    expect(rating(3)).toBeGreaterThan(rating(1));
    expect(rating(1)).toBeGreaterThan(rating(2));
  });

  it("leaves two equally good peers above the third: ties are drawn, never passed on", () => {
    const rating = ordinalsAfter(30, (round) => (round % 2 === 0 ? table(1, 2, 3) : table(2, 1, 3)));
    expect(rating(1)).toBeGreaterThan(rating(3) + 5);
    expect(rating(2)).toBeGreaterThan(rating(3) + 5);
    expect(Math.abs(rating(1) - rating(2))).toBeLessThan(2);
  });

  it("is not fed by keys that only lose: helpers stand as if those were not there", () => {
    const losers = [11, 12, 13, 14, 15].map((n) => ({ peer: peerId(n), helped: false }));
    const alone = ordinalsAfter(20, (round) => (round % 2 === 0 ? table(1, 2) : table(2, 1)));
    const fed = ordinalsAfter(20, (round) => [...(round % 2 === 0 ? table(1, 2) : table(2, 1)), ...losers]);
    expect([fed(1), fed(2)]).toEqual([alone(1), alone(2)]);
  });

  // It once was so: whoever did not help is rated from the whole table, so it rises by beating others that did not help
  // either. A key with a LossScore of 0 above four keys of its own stands at 14 after 20 rounds, the two honest helpers
  // at 6; with its first good update it takes the best slot and the largest share.
  it("of one that never helps does not rise by beating its own worse keys", () => {
    const losers = [11, 12, 13, 14, 15].map((n) => ({ peer: peerId(n), helped: false }));
    const rating = ordinalsAfter(20, (round) => [
      ...(round % 2 === 0 ? table(1, 2) : table(2, 1)),
      ...losers,
    ]);
    expect(rating(11)).toBeLessThanOrEqual(ordinal(start));
    expect(rating(1)).toBeGreaterThan(ordinal(start));
  });

  it("of one alone does not rise", () => {
    const [rated] = rateRound([{ peer: peerId(1), skill: start, helped: true }], settings).values();
    expect(rated?.mu).toBe(start.mu);
    expect(rated?.sigma).toBeGreaterThan(start.sigma);
  });

  it("does not depend on the names of equals: a table is its places", () => {
    const low = rateRound(
      table(1, 2, 3).map(({ peer }) => ({ peer, skill: start, helped: true })),
      settings,
    );
    const high = rateRound(
      table(9, 5, 7).map(({ peer }) => ({ peer, skill: start, helped: true })),
      settings,
    );
    expect(high.get(peerId(9))?.mu).toBeCloseTo(low.get(peerId(1))?.mu ?? 0, 10);
    expect(high.get(peerId(7))?.mu).toBeCloseTo(low.get(peerId(3))?.mu ?? 0, 10);
  });

  it("grows more doubtful while nobody judges", () => {
    const rested = unrated(start, settings);
    expect(rested.mu).toBe(start.mu);
    expect(rested.sigma).toBe(Math.hypot(start.sigma, settings.tau));
    expect(ordinal(rested)).toBeLessThan(ordinal(start));
  });

  it("rates a full table, all finite", () => {
    const places = peerIds(64).map((peer, i) => ({ peer, skill: start, helped: i < 50 }));
    for (const { mu, sigma } of rateRound(places, settings).values()) {
      expect(Number.isFinite(mu) && sigma > 0).toBe(true);
    }
  });
});
