/**
 * What is measured beside single attacks: how soon cheats stand out under either rule, how often the honest are excluded,
 * what many keys over one GPU's work earn, and what judging costs.
 *
 * @module
 */
import { f64FromHex } from "../../../schemas/index.ts";
import { fiveSybils, twentySybils } from "../kinds/sybils.ts";
import type { Attack } from "./attack.ts";
import { HONEST_PEERS } from "./config.ts";
import type { Gym } from "./gym.ts";
import { type Played, play } from "./play.ts";
import { noise, usualNorm, withSentNorm } from "./vectors.ts";

interface Study {
  gym: Gym;
  tokens: Uint16Array;
}

/** One key copies another victim each round, one trains what somebody else is assigned. */
const cheats: Attack = {
  name: "cheats",
  what: "the first key copies, the second trains others' data",
  keys: 2,
  submit: async ({ index, honest, draw, train }) => {
    const other = honest[draw.integer(honest.length)];
    if (other === undefined) return { kind: "nothing" };
    if (index === 0) return { kind: "shards", shards: [...other.shards] };
    return { kind: "delta", delta: await train({ position: other.position }), feedback: true };
  },
};

export interface Detected {
  /** Rounds until the copier, and who trains others' data, stand below every honest peer for good. */
  copier: number;
  otherData: number;
  /** Honest submissions that were judged not to help, of all that were judged. */
  falseExclusions: number;
  honestSubmissions: number;
}

/** Rounds until a cheat's assignment score stays below every honest peer's; never: one more than there were. */
function separatedAfter({ rounds, honest, attackers }: Played, which: number): number {
  let last = 0;
  for (const [i, { finished }] of rounds.entries()) {
    const scores = new Map(
      finished.selection.body.judgements.map(({ peer, assignmentScore }) => [
        peer,
        f64FromHex(assignmentScore),
      ]),
    );
    const cheat = scores.get(attackers[which] ?? "");
    const lowest = Math.min(...honest.map((peer) => scores.get(peer) ?? Number.POSITIVE_INFINITY));
    if (cheat !== undefined && cheat >= lowest) last = i + 1;
  }
  return last + 1;
}

/**
 * Either rule tries an update on 64 sequences: the matrix on 32 of the anchor and 4 of each of 8 owners, the published one
 * on 32 of the anchor and 32 of its own.
 */
export async function detect({
  gym,
  tokens,
  rule,
  seed,
  rounds,
}: Study & { rule: "matrix" | "published"; seed: number; rounds: number }): Promise<Detected> {
  const published = {
    assignedTest: "own-minus-random",
    ownersPerGroup: 1,
    sequencesPerOwner: 32,
  } as const;
  const played = await play({
    seed,
    gym,
    tokens,
    rounds,
    attack: cheats,
    config: (config) =>
      rule === "matrix" ? config : { ...config, gauntlet: { ...config.gauntlet, ...published } },
  });
  const honest = new Set(played.honest);
  const judged = played.rounds.flatMap(({ finished }) =>
    finished.selection.body.judgements.filter(({ peer }) => honest.has(peer)),
  );
  return {
    copier: separatedAfter(played, 0),
    otherData: separatedAfter(played, 1),
    falseExclusions: judged.filter(({ eligible }) => !eligible).length,
    honestSubmissions: judged.length,
  };
}

/** What keys over one GPU's work are paid together, as a multiple of what one honest key is. */
export async function sybilShare({
  gym,
  tokens,
  keys,
  seed,
  rounds,
}: Study & { keys: 5 | 20; seed: number; rounds: number }): Promise<number> {
  const attack = keys === 5 ? fiveSybils : twentySybils;
  const { ledger, honest, attackers } = await play({ seed, gym, tokens, rounds, attack });
  const paid = (peers: readonly string[]) =>
    peers.reduce((sum, peer) => sum + f64FromHex(ledger.get(peer)?.paid ?? "0".repeat(16)), 0);
  return paid(attackers) / (paid(honest) / honest.length);
}

export interface JudgingCost {
  peers: number;
  /** Evaluator-seconds for each judged update. */
  seconds: number;
}

const ROUNDS_MEASURED = 4;

/** What judging costs with so many peers: junk costs as much to judge as work does. */
export async function judgingCost({ gym, tokens, peers }: Study & { peers: number }): Promise<JudgingCost> {
  const honest = Math.min(peers, HONEST_PEERS);
  const crowd: Attack = {
    name: "crowd",
    what: "peers whose training does not matter here",
    keys: peers - honest,
    submit: async (scene) => {
      const delta = noise(scene.draw, scene.view.layout.parameters);
      return { kind: "delta", delta: withSentNorm(scene, delta, usualNorm(scene.honest)) };
    },
  };
  const { evaluatorSeconds, judgedUpdates } = await play({
    seed: 1,
    gym,
    tokens,
    rounds: ROUNDS_MEASURED,
    honest,
    attack: crowd,
    config: (config) => ({ ...config, gather: { ...config.gather, expectedAtStart: peers } }),
  });
  return { peers, seconds: evaluatorSeconds / judgedUpdates };
}
