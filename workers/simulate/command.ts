/**
 * `outerloop simulate`: runs in virtual time, with everything going wrong that can.
 *
 * @module
 */
import { styleText } from "node:util";
import { createLogUpdate } from "log-update";
import { INTERRUPTED } from "../cli/lifetime.ts";
import { type FaultKind, faultKinds } from "./faults.ts";
import { type SeedOutcome, type SeedsSummary, simulateSeeds } from "./seeds.ts";
import { shrink } from "./shrink.ts";

export interface SimulateOptions {
  seeds: number;
  from: number;
  /** Only these kinds of faults strike. */
  kinds: readonly FaultKind[];
  json: boolean;
}

const REDRAW_MS = 100;
/** Without a terminal, a line this often. */
const LINE_MS = 10_000;
/** A failing seed's story is told for so many of them, by so many lines of its end. */
const MOST_STORIES = 3;
const STORY_LINES = 60;

/** The command; returns its exit status: 1 if an invariant was violated. */
export async function simulateCommand(options: SimulateOptions, signal: AbortSignal): Promise<number> {
  const { seeds, from, kinds, json } = options;
  // Where stdout is for one JSON object, whatever is for people goes to stderr.
  const people = json ? process.stderr : process.stdout;
  const progress = createProgress(seeds, people);
  const summary = await simulateSeeds({
    seeds,
    from,
    kinds,
    signal,
    onSeed: (outcome, done) => progress.show(done, outcome),
  });
  progress.end();
  if (json) process.stdout.write(`${JSON.stringify(jsonOf(summary))}\n`);
  else people.write(`${summaryText(summary)}\n`);
  const failing = [...new Set(summary.violations.map(({ seed }) => seed))];
  for (const seed of failing.slice(0, MOST_STORIES)) {
    if (signal.aborted) break;
    people.write(`\n${await story(seed, kinds, signal)}\n`);
  }
  if (failing.length > 0) return 1;
  return signal.aborted ? INTERRUPTED : 0;
}

function jsonOf({ voidRounds: _, sweeps: __, ...summary }: SeedsSummary) {
  return summary;
}

function summaryText({
  seeds,
  violations,
  faults,
  rounds,
  published,
  emptyRounds,
  voidRounds,
  sweeps,
  wallSeconds,
}: SeedsSummary): string {
  const kinds = faultKinds.filter((kind) => faults[kind] > 0);
  const width = Math.max(0, ...kinds.map((kind) => kind.length));
  return [
    ...kinds.map((kind) => `${kind.padEnd(width)}  ${String(faults[kind]).padStart(9)}`),
    "",
    `${seeds} seeds, ${rounds} rounds (${published} published, ${emptyRounds} empty, ${voidRounds} void) in ${wallSeconds.toFixed(1)} s`,
    `${sweeps.sound} sweeps that nothing befell, ${sweeps.ready} of them found something to record`,
    ...violations.map(violationLine),
    `${violations.length} violations`,
  ].join("\n");
}

function violationLine({ seed, invariant, message }: SeedsSummary["violations"][number]): string {
  return styleText("red", `seed ${seed}: ${invariant}: ${message}`);
}

/** How a seed came to its violation, with no more faults than that takes, and how to see it again. */
async function story(seed: number, kinds: readonly FaultKind[], signal: AbortSignal): Promise<string> {
  const shrunk = await shrink(seed, { kinds }, signal);
  if (shrunk === null) {
    const why = signal.aborted
      ? "was not lived through again"
      : "violates nothing when it is lived through again";
    return `seed ${seed} ${why}: ${replay(seed, kinds)}`;
  }
  const lines = shrunk.result.timeline.lines();
  return [
    `seed ${seed}, the last ${Math.min(STORY_LINES, lines.length)} of ${lines.length} lines:`,
    ...lines.slice(-STORY_LINES),
    ...shrunk.result.violations.map(({ invariant, message }) => styleText("red", `${invariant}: ${message}`)),
    `again: ${replay(seed, shrunk.kinds)}`,
  ].join("\n");
}

function replay(seed: number, kinds: readonly FaultKind[]): string {
  const faults = kinds.length === 0 ? "none" : kinds.join(",");
  return `npm run simulate -- --from ${seed} --seeds 1 --faults ${faults}`;
}

/** A bar on a terminal, plain lines elsewhere; violations as they are found. */
function createProgress(seeds: number, out: NodeJS.WriteStream) {
  const startedMs = performance.now();
  const update = out.isTTY ? createLogUpdate(out) : null;
  let shownMs = startedMs;
  let failed = 0;
  return {
    show(done: number, { seed, violations }: SeedOutcome) {
      failed += violations.length;
      if (violations.length > 0) update?.clear();
      for (const violation of violations) out.write(`${violationLine({ seed, ...violation })}\n`);
      const nowMs = performance.now();
      if (nowMs - shownMs < (update === null ? LINE_MS : REDRAW_MS) && done < seeds) return;
      shownMs = nowMs;
      const rate = (1_000 * done) / (nowMs - startedMs);
      const left = Math.ceil((seeds - done) / rate);
      const text = `${done} of ${seeds} seeds, ${rate.toFixed(1)} a second, ${left} s left, ${failed} violations`;
      if (update === null) return void out.write(`${text}\n`);
      const full = Math.round((20 * done) / seeds);
      update(`${"█".repeat(full)}${"░".repeat(20 - full)} ${text}`);
    },
    end() {
      update?.clear();
      update?.done();
    },
  };
}
