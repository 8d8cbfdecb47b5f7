/**
 * What evaluators do with a round, drawn from the seed that close.json reveals: after submissions are fixed.
 *
 * @module
 */
import {
  type Close,
  f32FromHex,
  f32ToHex,
  f64FromHex,
  f64ToHex,
  type Job,
  type RunConfig,
} from "../../schemas/index.ts";
import { anchorWindows, ownedWindows, roundWindows } from "./assignment.ts";
import { Draw } from "./draws.ts";
import type { FactsOf } from "./facts.ts";
import { MIN_OWNERS } from "./gauntlet/matrix.ts";
import { isEstablished } from "./gauntlet/standing.ts";

/** Of the updates that the budget suffices for, so many tenths are for established peers, the rest for keys on probation. */
const INCUMBENT_TENTHS = 7;

/** b = f32(min(stepFactor * alpha, 2 * alpha / R)): a trial step in proportion to what an update really contributes. */
export function trialStep(alpha: number, judged: number, gauntlet: RunConfig["gauntlet"]): number {
  const slots = Math.max(1, Math.min(judged, gauntlet.maxSelected));
  return Math.fround(Math.min(gauntlet.stepFactor * alpha, (2 * alpha) / slots));
}

/** Groups by a drawn permutation, as even as they come; one job a group. `included` ascends by peer id. */
export function evaluationPlan(
  facts: FactsOf<"settle">,
  seed: string,
  included: readonly string[],
  clusters: Close["clusters"],
): Close["plan"] {
  const { config, data, roster } = facts;
  const { anchorSequences, sequencesPerOwner, ownersPerGroup, assignedTest, judging, minSubmissions } =
    config.gauntlet;
  const windows = roundWindows(roster.body.seed, data, config, roster.body.peers.length);
  const position = new Map(roster.body.peers.map(({ peer }, at) => [peer, at]));
  const secondsPerUpdate = facts.previous.secondsPerUpdate ?? judging.secondsPerUpdate;
  // With fewer than are needed the round would be empty, and so would all others.
  const budget = Math.max(minSubmissions, Math.floor(judging.budgetSeconds / secondsPerUpdate));
  const order = judgingOrder(facts, new Draw(seed, "groups").shuffled(included), clusters, budget);
  // Rather a group too large than one in which the matrix says nothing: one key more must not end the test for all.
  const testable = assignedTest === "matrix" ? Math.floor(order.length / MIN_OWNERS) : order.length;
  const groupCount = Math.min(Math.ceil(order.length / ownersPerGroup), Math.max(1, testable));
  const groups = Array.from({ length: groupCount }, (_, g) => order.filter((_, i) => i % groupCount === g));
  const draw = new Draw(seed, "canaries");
  return {
    step: f32ToHex(trialStep(f32FromHex(roster.body.alpha), included.length, config.gauntlet)),
    budget: {
      updates: Math.min(budget, Number.MAX_SAFE_INTEGER),
      secondsPerUpdate: f64ToHex(secondsPerUpdate),
    },
    anchor: anchorWindows(seed, windows, anchorSequences),
    privateSequences: windows.unassignedCount === 0 ? 0 : judging.privateSequences,
    jobs: groups.map((peers, g) => ({
      job: String(g).padStart(4, "0"),
      peers,
      owned: peers.map((peer) =>
        ownedWindows(seed, peer, windows, position.get(peer) ?? 0, sequencesPerOwner),
      ),
      canary: draw.happens(judging.canaries) ? canaryIn(facts, peers, draw) : null,
    })),
  };
}

/** Who is judged, in the drawn order; where not all can be, who is owed a judgement first. */
function judgingOrder(
  facts: FactsOf<"settle">,
  drawn: readonly string[],
  clusters: Close["clusters"],
  budget: number,
): string[] {
  if (drawn.length <= budget) return [...drawn];
  // Of copies one says it all, and it is whoever has the best record: by a draw the key that many copy would seldom be judged.
  const { ledger } = facts.previous;
  const record = (peer: string) => {
    const entry = ledger.get(peer);
    return entry === undefined ? -1 : f64FromHex(entry.peerScore) + (isEstablished(entry) ? 1e6 : 0);
  };
  const isCopy = (peer: string) => {
    const cluster = clusters.find(({ peers }) => peers.includes(peer));
    if (cluster === undefined) return false;
    const members = drawn.filter((other) => cluster.peers.includes(other));
    return members.sort((a, b) => record(b) - record(a))[0] !== peer;
  };
  const originals = drawn.filter((peer) => !isCopy(peer));
  const waits = (peer: string) => facts.previous.ledger.get(peer)?.lossScore === null;
  const incumbents = originals.filter((peer) => isEstablished(facts.previous.ledger.get(peer)));
  const newcomers = originals.filter((peer) => !incumbents.includes(peer));
  const ofBudget = Math.max(1, Math.floor((INCUMBENT_TENTHS * budget) / 10));
  const forIncumbents = Math.max(ofBudget, budget - newcomers.length);
  const judged = [
    ...[...incumbents.filter(waits), ...incumbents.filter((peer) => !waits(peer))].slice(0, forIncumbents),
    ...newcomers,
    ...drawn.filter(isCopy),
  ].slice(0, budget);
  return drawn.filter((peer) => judged.includes(peer));
}

/** The reverse of an established peer's update must do harm; where there is none, no update must change nothing. */
function canaryIn(facts: FactsOf<"settle">, peers: readonly string[], draw: Draw): Job["canary"] {
  const established = peers.filter((peer) => isEstablished(facts.previous.ledger.get(peer)));
  const [peer] = draw.shuffled(established.length > 0 ? established : peers);
  if (peer === undefined) return null;
  return { peer, kind: established.length > 0 ? "reverse" : "nothing" };
}
