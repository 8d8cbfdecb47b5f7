/**
 * `outerloop simulate`: runs in virtual time, with everything going wrong that can.
 *
 * @module
 */
import { styleText } from "node:util";
import { createLogUpdate } from "log-update";
import { type FaultKind, faultKinds } from "./faults.ts";
import { type PreparedRun, prepareRun, simulatedConfig } from "./run.ts";
import { type SeedsSummary, simulateSeeds } from "./seeds.ts";
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
  const progress = createProgress(seeds, json ? process.stderr : process.stdout);
  const summary = await simulateSeeds({
    seeds,
    from,
    kinds,
    signal,
    onSeed: ({ violations }, done) => progress.show(done, violations.length),
  });
  progress.end();
  if (json) {
    process.stdout.write(`${JSON.stringify(summary)}\n`);
    return summary.violations.length === 0 ? 0 : 1;
  }
  process.stdout.write(`${summaryText(summary)}\n`);
  const prepared = await prepareRun(simulatedConfig);
  const failing = [...new Set(summary.violations.map(({ seed }) => seed))];
  for (const seed of failing.slice(0, MOST_STORIES))
    process.stdout.write(`\n${await story(prepared, seed, kinds)}\n`);
  return failing.length === 0 ? 0 : 1;
}

function summaryText({
  seeds,
  violations,
  faults,
  rounds,
  published,
  emptyRounds,
  voidRounds,
  wallSeconds,
}: SeedsSummary): string {
  const kinds = faultKinds.filter((kind) => (faults[kind] ?? 0) > 0);
  const width = Math.max(0, ...kinds.map((kind) => kind.length));
  return [
    ...kinds.map((kind) => `${kind.padEnd(width)}  ${String(faults[kind]).padStart(9)}`),
    "",
    `${seeds} seeds, ${rounds} rounds (${published} published, ${emptyRounds} empty, ${voidRounds} void) in ${wallSeconds.toFixed(1)} s`,
    ...violations.map(({ seed, invariant, message }) =>
      styleText("red", `seed ${seed}: ${invariant}: ${message}`),
    ),
    `${violations.length} violations`,
  ].join("\n");
}

/** How a seed came to its violation, with no more faults than that takes, and how to see it again. */
async function story(prepared: PreparedRun, seed: number, kinds: readonly FaultKind[]): Promise<string> {
  const shrunk = await shrink(prepared, seed, { kinds });
  const lines = shrunk.result.timeline.lines();
  const faults = shrunk.kinds.length === 0 ? "none" : shrunk.kinds.join(",");
  return [
    `seed ${seed}, the last ${Math.min(STORY_LINES, lines.length)} of ${lines.length} lines:`,
    ...lines.slice(-STORY_LINES),
    ...shrunk.result.violations.map(({ invariant, message }) => styleText("red", `${invariant}: ${message}`)),
    `again: npm run simulate -- --from ${seed} --seeds 1 --faults ${faults}`,
  ].join("\n");
}

/** A bar on a terminal, plain lines elsewhere. */
function createProgress(seeds: number, out: NodeJS.WriteStream) {
  const startedMs = performance.now();
  const update = out.isTTY ? createLogUpdate(out) : null;
  let shownMs = startedMs;
  let failed = 0;
  return {
    show(done: number, violations: number) {
      failed += violations;
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
