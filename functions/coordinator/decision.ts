/**
 * What a decision is: at most one object to record, what else to set going, and what it waits for.
 *
 * @module
 */
import type {
  AwaitedThing,
  Close,
  Cutoff,
  EvaluatorJob,
  Manifest,
  Roster,
  Selection,
  ShardMessage,
} from "../../schemas/index.ts";

/** One of the five objects of a round. */
export type DecisionObject =
  | { type: "roster"; body: Roster }
  | { type: "cutoff"; body: Cutoff }
  | { type: "close"; body: Close }
  | { type: "selection"; body: Selection }
  | { type: "manifest"; body: Manifest };

/** A queue send that may be repeated. */
export type Nudge = { queue: "shards"; message: ShardMessage } | { queue: "jobs"; message: EvaluatorJob };

export interface Decision {
  /** Created once; whoever loses the race adopts what stands. Null: not yet. */
  record: DecisionObject | null;
  /** What the phase sets going. */
  nudges: Nudge[];
  /** Those of them that came up since the phase was entered: asked for as soon as they are seen. */
  followUps: Nudge[];
  /** Never empty while a phase is open. */
  waitingFor: AwaitedThing[];
  /**
   * When the wait ends regardless, milliseconds since 1970: what it is for changes then, or the phase ends. Null: nothing
   * is waited for until a time (gathering below the minimum, paused, finished), or nothing is waited for any more.
   */
  endsAtMs: number | null;
  /** One sentence: why this record, or why not yet. */
  reason: string;
}

/** Not yet: what for, until when. */
export function waiting(
  reason: string,
  waitingFor: AwaitedThing[],
  endsAtMs: number | null,
  nudges: Nudge[] = [],
  followUps: Nudge[] = [],
): Decision {
  return { record: null, nudges, followUps, waitingFor, endsAtMs, reason };
}

/**
 * Ready to record. A reader without the seed chain (`record` null) reports that only the coordinator can go on.
 */
export function recorded(record: DecisionObject | null, reason: string): Decision {
  const waitingFor: AwaitedThing[] =
    record === null
      ? [{ kind: "coordinator", name: "", text: "the coordinator, to record this decision" }]
      : [];
  return { record, nudges: [], followUps: [], waitingFor, endsAtMs: null, reason };
}

/** First digits of a key or hash, enough to recognise it. */
export function short(id: string): string {
  return id.slice(0, 8);
}

/** "1 peer", "3 peers". */
export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
