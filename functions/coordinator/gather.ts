/**
 * Gathering ends with the roster: enough peers have announced, and either every peer of the last round is among them
 * or the announce window has passed. Below minPeers there is no deadline: nothing is at stake yet.
 *
 * @module
 */
import { f32FromHex, f32ToHex, type Roster, toInstant, valueInRound } from "../../schemas/index.ts";
import { hasPassed, rosterDeadlines } from "./deadlines.ts";
import { count, type Decision, recorded, short, waiting } from "./decision.ts";
import { Draw } from "./draws.ts";
import type { AnnouncedIntent, FactsOf } from "./facts.ts";
import { isEstablished } from "./gauntlet/standing.ts";

/** After so many void rounds in a row the run waits for its operator. */
const VOIDS_THAT_PAUSE = 3;

export function decideGather(facts: FactsOf<"gather">, asOfMs: number): Decision {
  const { config, previous, round } = facts;
  const intents = facts.intents.filter(({ leaving }) => !leaving);
  const paused =
    facts.paused ??
    (previous.voidsInRow >= VOIDS_THAT_PAUSE ? `${previous.voidsInRow} void rounds in a row` : null);
  if (paused !== null) {
    return waiting(
      `paused: ${paused}`,
      [{ kind: "resume", name: "", text: "the operator to resume the run" }],
      null,
    );
  }

  const { minPeers, expectedAtStart, announceWindowSeconds } = config.gather;
  if (intents.length < minPeers) {
    const missing = minPeers - intents.length;
    return waiting(
      `${count(intents.length, "peer")} announced, ${minPeers} needed`,
      [{ kind: "peers", name: "", text: `${count(missing, "more peer")} to announce` }],
      null,
    );
  }

  const absent = expectedPeers(facts).filter((peer) => !facts.intents.some((intent) => intent.peer === peer));
  const missingAtStart = round === 1 ? Math.max(0, expectedAtStart - intents.length) : 0;
  const nthAnnouncedAt =
    intents.map((intent) => intent.announcedAtMs).sort((a, b) => a - b)[minPeers - 1] ?? asOfMs;
  const endsAtMs = nthAnnouncedAt + 1_000 * announceWindowSeconds;
  if ((absent.length > 0 || missingAtStart > 0) && !hasPassed(endsAtMs, asOfMs)) {
    const waitingFor = absent.map((peer) => ({
      kind: "peers" as const,
      name: peer,
      text: `${short(peer)} to announce`,
    }));
    if (missingAtStart > 0) {
      waitingFor.push({ kind: "peers", name: "", text: `${count(missingAtStart, "more peer")} to announce` });
    }
    return waiting(`${count(intents.length, "peer")} announced`, waitingFor, endsAtMs);
  }

  const reason =
    absent.length + missingAtStart === 0
      ? `all ${intents.length} expected peers announced`
      : `announce window over with ${count(intents.length, "peer")}`;
  if (facts.seeds === undefined) return recorded(null, reason);
  const body: Roster = {
    round,
    asOf: toInstant(asOfMs),
    reason,
    previousManifest: previous.manifest,
    config: facts.configHash,
    seed: facts.seeds.roster,
    peers: admitted(facts, intents, facts.seeds.roster).map(({ peer, hash }) => ({
      peer,
      intent: hash,
      awaited: previous.ledger.get(peer)?.awaited ?? true,
    })),
    keep: valueInRound(config.outer.keep, round),
    alpha: f32ToHex(f32FromHex(valueInRound(config.outer.alpha, round))),
    beta: config.outer.beta,
    ...rosterDeadlines(config, asOfMs),
  };
  return recorded({ type: "roster", body }, reason);
}

/** Peers of the last round that delivered: the round waits for them, within the announce window. */
function expectedPeers(facts: FactsOf<"gather">): string[] {
  return [...facts.previous.ledger.values()]
    .filter((entry) => entry.lastRound === facts.round - 1 && entry.awaited)
    .map((entry) => entry.peer);
}

/**
 * At most maxPeers: established peers first, then those that delivered when they were last there, then newcomers, last those
 * that failed to; each by a lot with the seed that the roster itself reveals. Keys that only announce cost nothing, so they
 * must not keep out who trains.
 */
function admitted(
  facts: FactsOf<"gather">,
  intents: readonly AnnouncedIntent[],
  seed: string,
): AnnouncedIntent[] {
  const byId = [...intents].sort((a, b) => (a.peer < b.peer ? -1 : 1));
  const { maxPeers } = facts.config.gather;
  if (byId.length <= maxPeers) return byId;
  const rank = ({ peer }: AnnouncedIntent): number => {
    const entry = facts.previous.ledger.get(peer);
    if (isEstablished(entry)) return 0;
    if (entry === undefined) return 2;
    return entry.awaited ? 1 : 3;
  };
  const draw = new Draw(seed, "admission");
  const chosen = [0, 1, 2, 3]
    .flatMap((wanted) => draw.shuffled(byId.filter((intent) => rank(intent) === wanted)))
    .slice(0, maxPeers);
  return chosen.sort((a, b) => (a.peer < b.peer ? -1 : 1));
}
