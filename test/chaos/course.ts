/**
 * How far a run has come, by what the coordinator says: moments that last milliseconds would be missed by whoever looks
 * into the bucket.
 *
 * @module
 */
import type { Acknowledgement } from "../../schemas/index.ts";
import type { Moment, Point } from "./plan.ts";

/** What begins with a decision. The round's last one begins the next round. */
const AFTER: Record<string, Moment> = {
  roster: "train",
  cutoff: "settle",
  close: "evaluate",
  selection: "aggregate",
  manifest: "gather",
};

/** Returns what tells, each time, the points passed since the last time. */
export function followCourse(
  lines: readonly string[],
  acknowledged: readonly Acknowledgement[],
): () => Point[] {
  let [read, counted] = [0, 0];
  const begun: Point[] = [{ round: 1, moment: "gather" }];
  return () => {
    const points = [...begun.splice(0), ...lines.slice(read).flatMap(pointAfter)];
    points.push(...acknowledged.slice(counted).map(({ round }) => ({ round, moment: "commit" as const })));
    [read, counted] = [lines.length, acknowledged.length];
    return points;
  };
}

function pointAfter(line: string): Point[] {
  const [, type = ""] = /"message":"(\w+) recorded"/.exec(line) ?? [];
  const moment = AFTER[type];
  if (moment === undefined) return [];
  const { round } = JSON.parse(line) as { round: number };
  return [{ round: type === "manifest" ? round + 1 : round, moment }];
}
