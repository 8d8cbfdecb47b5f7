/**
 * `npm run bench`: what codec, model and an embedded run reach on this machine.
 *
 * @module
 */
import type { KeepCount } from "../../native/codec.ts";
import { AGGREGATE_PEERS, benchmarkLayout, measureCodec } from "./codec-speed.ts";
import { loadNow, machineAfter } from "./machine.ts";
import { createMemoryPass } from "./memory-pass.ts";
import { measureModel } from "./model-speed.ts";
import { type BenchmarkResult, benchmarkResult } from "./result.ts";
import { spreadOf } from "./spread.ts";
import { measureRun } from "./whole-run.ts";

const REPEATS = 7;
const QUICK_REPEATS = 3;
const KEEP: readonly KeepCount[] = [64, 256];

/** `quick`: fewer repeats, no embedded run. `progress` gets what happens on the way. */
export async function measureSpeeds(
  quick: boolean,
  progress: (line: string) => void,
): Promise<BenchmarkResult> {
  const repeats = quick ? QUICK_REPEATS : REPEATS;
  const loadBefore = loadNow();
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
    machine: machineAfter(loadBefore),
    memoryPassGigabytesPerSecond: spreadOf(passes),
    compressElements: layout.parameters,
    aggregateElements: layout.shards[0]?.elements ?? 0,
    aggregatePeers: AGGREGATE_PEERS,
    codec,
    model,
    run,
  });
}
