/**
 * The requests that a proxy saw, counted by round, and the straight line over peers that two runs give.
 *
 * @module
 */
import type { RequestLine } from "../result.ts";
import { spreadOf } from "../spread.ts";

/** What a proxy knows of a request. */
export interface SeenRequest {
  method: string;
  /** Path and query. */
  url: string;
  /** `x-amz-target`, which names the action of SQS. */
  target: string | undefined;
}

/** Requests of each kind. */
export type Counts = ReadonlyMap<string, number>;

/** Receiving goes on whether anybody sends or not, so it is no matter of rounds. */
const BY_TIME = "ReceiveMessage";

/** A method of S3 or an action of SQS; presigned requests are kinds of their own. */
export function kindOf({ method, url, target }: SeenRequest): string {
  if (target !== undefined) return target.slice(target.lastIndexOf(".") + 1);
  if (url.includes("X-Amz-Signature=")) return `${method} by ticket`;
  return method === "GET" && url.includes("list-type=2") ? "LIST" : method;
}

/**
 * Counts of each round, from the write of its roster to that of the next one. What came before the first roster and
 * after the last one is nobody's.
 */
export function countByRound(requests: Iterable<SeenRequest>): ReadonlyMap<number, Counts> {
  const rounds = new Map<number, Map<string, number>>();
  let open = new Map<string, number>();
  let newest = 0;
  for (const request of requests) {
    const round = request.method === "PUT" ? rosterIn(request.url) : null;
    // A second writer of a roster loses the race: that is no new round.
    if (round !== null && round > newest) {
      newest = round;
      open = new Map();
      rounds.set(round, open);
    }
    const kind = kindOf(request);
    if (kind !== BY_TIME) open.set(kind, (open.get(kind) ?? 0) + 1);
  }
  rounds.delete(newest);
  return rounds;
}

/** The round whose roster this path names. */
function rosterIn(url: string): number | null {
  const match = /\/rounds\/(\d+)\/roster\.json(?:\?|$)/.exec(url);
  return match === null ? null : Number(match[1]);
}

export interface CountedRun {
  peers: number;
  rounds: readonly Counts[];
}

/** Slope (per submission) and intercept (per round) of each kind; round by round, so that they have a spread. */
export function linesThrough(few: CountedRun, many: CountedRun): RequestLine[] {
  const kinds = new Set([...few.rounds, ...many.rounds].flatMap((counts) => [...counts.keys()]));
  const pairs = few.rounds.slice(0, many.rounds.length).map((counts, i) => [counts, many.rounds[i]] as const);
  return [...kinds].sort().map((kind) => {
    const lines = pairs.map(([a, b]) => {
      const [low, high] = [a.get(kind) ?? 0, b?.get(kind) ?? 0];
      const slope = (high - low) / (many.peers - few.peers);
      return { slope, intercept: low - few.peers * slope };
    });
    return {
      kind,
      perSubmission: spreadOf(lines.map(({ slope }) => slope)),
      perRound: spreadOf(lines.map(({ intercept }) => intercept)),
    };
  });
}
