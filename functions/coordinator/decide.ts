/**
 * The whole state machine of a round: facts and a time in, one decision out. Pure: no I/O, no clock, no randomness.
 *
 * The caller loops: record, read again, decide, until nothing is left to record. The same decision is reached from a
 * lost, late, doubled or re-ordered event, because no event is looked at.
 *
 * @module
 */
import { unreachable } from "../../schemas/index.ts";
import { decideAggregate } from "./aggregate.ts";
import { type Decision, waiting } from "./decision.ts";
import { decideEvaluate } from "./evaluate.ts";
import type { RoundFacts } from "./facts.ts";
import { decideGather } from "./gather.ts";
import { decideSettle } from "./settle.ts";
import { decideTrain } from "./train.ts";

/** `asOfMs`: the store's clock at the first answer of the read, milliseconds since 1970. */
export function decide(facts: RoundFacts, asOfMs: number): Decision {
  switch (facts.phase) {
    case "gather":
      return decideGather(facts, asOfMs);
    case "train":
      return decideTrain(facts, asOfMs);
    case "settle":
      return decideSettle(facts, asOfMs);
    case "evaluate":
      return decideEvaluate(facts, asOfMs);
    case "aggregate":
      return decideAggregate(facts, asOfMs);
    case "finished":
      return waiting(`all ${facts.config.rounds} rounds are done`, [], null);
    default:
      return unreachable(facts);
  }
}
