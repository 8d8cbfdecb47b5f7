/**
 * `npm run bench`: speeds as ratios against baselines of the same run. `-- --json` prints the object of `result.ts`,
 * `-- --quick` leaves out the embedded run. Progress goes to stderr. Nothing here passes or fails.
 *
 * @module
 */
import { cpus, loadavg } from "node:os";
import type { KeepCount } from "../../native/codec.ts";
import { readArguments, UsageError } from "../cli/arguments.ts";
import { AGGREGATE_PEERS, benchmarkLayout, measureCodec } from "./codec-speed.ts";
import { createMemoryPass } from "./memory-pass.ts";
import { measureModel } from "./model-speed.ts";
import { type BenchmarkResult, benchmarkResult } from "./result.ts";
import { spreadOf } from "./spread.ts";
import { tableOf } from "./table.ts";
import { measureRun } from "./whole-run.ts";

const REPEATS = 7;
const QUICK_REPEATS = 3;
const KEEP: readonly KeepCount[] = [64, 256];

async function benchmark(quick: boolean): Promise<BenchmarkResult> {
  const repeats = quick ? QUICK_REPEATS : REPEATS;
  const loadBefore = loadavg()[0] ?? 0;
  const layout = benchmarkLayout();
  const pass = createMemoryPass();
  const passes: number[] = [];
  const memoryPass = () => {
    const bytesPerSecond = pass();
    passes.push(bytesPerSecond / 1e9);
    return bytesPerSecond;
  };
  const codec = KEEP.map((k) => {
    progress(`codec, k ${k}: compress, aggregate, parse in both backends, ${repeats} times`);
    return measureCodec({ k, repeats, layout, memoryPass });
  });
  progress(`model: matrix probe, training steps, forward passes, ${repeats} times`);
  const model = await measureModel(repeats);
  if (!quick) progress("an embedded run: outerloop up --rounds 4");
  const run = quick ? null : await measureRun(progress);
  return benchmarkResult.parse({
    version: 1,
    quick,
    repeats,
    machine: {
      processor: cpus()[0]?.model ?? "unknown processor",
      cores: cpus().length,
      platform: `${process.platform}-${process.arch}`,
      node: process.versions.node,
      loadBefore,
      loadAfter: loadavg()[0] ?? 0,
    },
    memoryPassGigabytesPerSecond: spreadOf(passes),
    compressElements: layout.parameters,
    aggregateElements: layout.shards[0]?.elements ?? 0,
    aggregatePeers: AGGREGATE_PEERS,
    codec,
    model,
    run,
  });
}

function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}

try {
  const { json, quick } = readArguments(process.argv.slice(2), {
    json: { kind: "boolean", help: "one JSON object on stdout" },
    quick: { kind: "boolean", help: "fewer repeats, no embedded run" },
  });
  const result = await benchmark(quick === true);
  process.stdout.write(`${json === true ? JSON.stringify(result) : tableOf(result)}\n`);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`bench: ${error.message}; options: --json, --quick\n`);
  process.exitCode = 2;
}
