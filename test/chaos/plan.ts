/**
 * What hits a run, and when: one blow a round, all drawn from one seed.
 *
 * @module
 */
import { Draw } from "../../functions/coordinator/draws.ts";
import { sha256 } from "../../schemas/index.ts";

/** Points of a round at which a blow may fall, in the order in which a round passes them. `commit`: the first one is in. */
const MOMENTS = ["gather", "train", "commit", "settle", "evaluate", "aggregate"] as const;
export type Moment = (typeof MOMENTS)[number];

/** How far a run has come. */
export interface Point {
  round: number;
  moment: Moment;
}

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
  /** Resolves when the blow is over. True: it has hit somebody, as far as this can be seen from outside. */
  strike(victim: string, seconds: number): Promise<boolean>;
}

export interface Blow extends Point {
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
export function isDue(blow: Blow, at: Point): boolean {
  if (at.round !== blow.round) return at.round > blow.round;
  return MOMENTS.indexOf(at.moment) >= MOMENTS.indexOf(blow.moment);
}

/** `round 3, evaluate: SIGKILL of peer-2`. */
export function nameOf({ round, moment, threat, victim, seconds }: Blow): string {
  return `round ${round}, ${moment}: ${threat.what} ${victim}${threat.seconds === null ? "" : ` for ${seconds} s`}`;
}
