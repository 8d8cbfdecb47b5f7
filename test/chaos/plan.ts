/**
 * What hits a run, and when: one blow a round, all drawn from one seed.
 *
 * @module
 */
import { Draw } from "../../functions/coordinator/draws.ts";
import { type RunStatus, sha256 } from "../../schemas/index.ts";

/** Points of a round at which a blow may fall, in the order in which a round passes them. */
const MOMENTS = ["gather", "train", "commit", "settle", "evaluate", "aggregate"] as const;
export type Moment = (typeof MOMENTS)[number];
/** A run that has finished is hit no more, so its last round is hit early. */
const EARLY_MOMENTS = MOMENTS.slice(0, 3);

/** One way of hitting something. */
export interface Threat {
  what: string;
  victims: readonly string[];
  /** When it hurts most; at any moment if absent. */
  moments?: readonly Moment[];
  /** How long it lasts, drawn from this range; null: it is over at once. */
  seconds: readonly [shortest: number, longest: number] | null;
  /** Resolves when the blow is over. */
  strike(victim: string, seconds: number): Promise<unknown>;
}

export interface Blow {
  round: number;
  moment: Moment;
  threat: Threat;
  victim: string;
  seconds: number;
}

/** One blow for each round: every threat at least once, as far as there are rounds. The same seed, the same plan. */
export function planBlows(seed: string, rounds: number, threats: readonly Threat[]): Blow[] {
  const draw = new Draw(sha256(Buffer.from(seed)), "chaos");
  const oneOf = <T>(items: readonly T[]): T => items[draw.integer(items.length)] as T;
  const all = Array.from({ length: rounds }, (_, i) => threats[i] ?? oneOf(threats));
  return draw.shuffled(all).map((threat, i) => {
    const [shortest, longest] = threat.seconds ?? [0, 0];
    return {
      round: i + 1,
      moment: oneOf(threat.moments ?? (i + 1 === rounds ? EARLY_MOMENTS : MOMENTS)),
      threat,
      victim: oneOf(threat.victims),
      seconds: shortest + draw.integer(longest - shortest + 1),
    };
  });
}

/** True once a run has come as far as a blow. */
export function isDue({ round, moment }: Blow, status: RunStatus): boolean {
  if (status.phase === "finished" || status.round > round) return true;
  return status.round === round && MOMENTS.indexOf(momentOf(status)) >= MOMENTS.indexOf(moment);
}

function momentOf({ phase, progress }: RunStatus): Moment {
  if (phase === "train" && progress.committed > 0) return "commit";
  return phase === "finished" ? "aggregate" : phase;
}

/** `round 3, evaluate: SIGKILL of peer-2`. */
export function nameOf({ round, moment, threat, victim, seconds }: Blow): string {
  return `round ${round}, ${moment}: ${threat.what} ${victim}${threat.seconds === null ? "" : ` for ${seconds} s`}`;
}
