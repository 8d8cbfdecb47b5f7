/**
 * What evaluators do with a round, drawn from the seed that close.json reveals: after submissions are fixed.
 *
 * @module
 */
import { type Close, f32FromHex, f32ToHex, type RunConfig } from "../../schemas/index.ts";
import { anchorWindows, ownedWindows, roundWindows } from "./assignment.ts";
import { Draw } from "./draws.ts";
import type { FactsOf } from "./facts.ts";

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
): Close["plan"] {
  const { config, data, roster } = facts;
  const { anchorSequences, sequencesPerOwner, ownersPerGroup } = config.gauntlet;
  const windows = roundWindows(roster.body.seed, data, config, roster.body.peers.length);
  const position = new Map(roster.body.peers.map(({ peer }, at) => [peer, at]));
  const order = new Draw(seed, "groups").shuffled(included);
  const groupCount = Math.ceil(order.length / ownersPerGroup);
  const groups = Array.from({ length: groupCount }, (_, g) => order.filter((_, i) => i % groupCount === g));
  return {
    step: f32ToHex(trialStep(f32FromHex(roster.body.alpha), included.length, config.gauntlet)),
    anchor: anchorWindows(seed, windows, anchorSequences),
    jobs: groups.map((peers, g) => ({
      job: String(g).padStart(4, "0"),
      peers,
      owned: peers.map((peer) =>
        ownedWindows(seed, peer, windows, position.get(peer) ?? 0, sequencesPerOwner),
      ),
    })),
  };
}
