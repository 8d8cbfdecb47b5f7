/**
 * PeerScore = assignmentFactor * min(ln(1 + e^(ordinal / sigma0)), that of the middle) * presence * penalty. Gates decide who may be used; this score
 * decides who goes first when there are too many, and what it earns.
 *
 * @module
 */

/**
 * Until the assignment score of somebody was updated in so many rounds, nobody's says anything. The run's rounds count, not
 * the key's: otherwise a fresh key would be worth more than an old one.
 */
const ASSIGNMENT_WARMUP_ROUNDS = 10;
/** Each fault in the last eight rounds of a peer multiplies its score by this. */
const FAULT_FACTOR = 0.75;
/** Rounds that presence and penalties look back over. */
export const RECENT_ROUNDS = 8;
export interface ScoreInputs {
  assignmentScore: number;
  /** Most rounds in which anybody's assignment score was updated. */
  countedRounds: number;
  /** mu - 3 sigma after this round's update, in units of the sigma with which everybody begins. */
  ordinal: number;
  /** The rating factor counts up to this: that of the middle one of the peers that help. */
  highestRating: number;
  /** Rounds of the last eight of the run (since the peer came) in which it delivered, and how many those are. */
  deliveredRounds: number;
  possibleRounds: number;
  /** Faults in the last eight rounds that the peer was in. */
  faults: number;
}

export interface ScoreFactors {
  assignment: number;
  rating: number;
  presence: number;
  penalty: number;
}

/** Every factor, so that `explain` can say why and what would have changed it. */
export function scoreFactors(inputs: ScoreInputs): ScoreFactors {
  return {
    assignment: inputs.countedRounds < ASSIGNMENT_WARMUP_ROUNDS ? 1 : Math.max(0, inputs.assignmentScore),
    rating: Math.min(ratingFactor(inputs.ordinal), inputs.highestRating),
    presence: presenceFactor(inputs),
    penalty: penaltyFactor(inputs),
  };
}

export function presenceFactor({
  deliveredRounds,
  possibleRounds,
}: Pick<ScoreInputs, "deliveredRounds" | "possibleRounds">): number {
  return possibleRounds === 0 ? 1 : deliveredRounds / possibleRounds;
}

export function penaltyFactor({ faults }: Pick<ScoreInputs, "faults">): number {
  return FAULT_FACTOR ** faults;
}

export function peerScore(factors: ScoreFactors): number {
  return factors.assignment * factors.rating * factors.presence * factors.penalty;
}

/** ln(1 + e^x) without overflow. */
export function ratingFactor(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}
