/**
 * What must hold in every world, whatever goes wrong in it. Each has a name, and a sentence for when it does not hold.
 *
 * @module
 */
export type Invariant =
  | "every round ends by its deadlines"
  | "an open phase waits for something"
  | "no phase ends before its time"
  | "a departed peer closes no round early"
  | "what was acknowledged has a verdict"
  | "what was in time counts"
  | "every peer has its receipt"
  | "weights sum to one or the round is empty"
  | "nothing is scored twice"
  | "what is derived has equal bytes"
  | "there is one history"
  | "the head is moved last, and only forward"
  | "the operator's word counts"
  | "honest peers hold the published state"
  | "storage is bounded"
  | "the run ends"
  | "nothing fails by itself";

export interface Violation {
  invariant: Invariant;
  message: string;
}

export type Fail = (invariant: Invariant, message: string) => void;
