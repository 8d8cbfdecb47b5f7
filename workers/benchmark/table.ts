/**
 * The result as a table for people.
 *
 * @module
 */
import type { BenchmarkResult, CodecOperation, CodecSpeed, Spread } from "./result.ts";

export type Row = readonly [what: string, spread: string, baseline: string];

export function tableOf(result: BenchmarkResult): string {
  const { model, run } = result;
  const rows: Row[] = [
    ["memory pass, GB/s", figures(result.memoryPassGigabytesPerSecond), "(a baseline)"],
    ...result.codec.flatMap(codecRows),
    ["matrix probe, GFLOP/s", figures(model.matrixProbeGigaflops), "(a baseline)"],
    ["training, tokens/s", figures(model.trainingTokensPerSecond), shareText(model.trainingShareOfProbe)],
    ["forward, tokens/s", figures(model.forwardTokensPerSecond), shareText(model.forwardShareOfProbe)],
  ];
  if (run !== null) {
    rows.push(
      ["round: training, s", figures(run.trainSeconds), "(a baseline)"],
      [
        "round: besides training, s",
        figures(run.besidesTrainingSeconds),
        `${percent(run.besidesTrainingShareOfTraining)} of the training`,
      ],
      [
        `memory of ${run.memory.processes ?? "?"} processes, peak RSS`,
        mebibytes(run.memory.peakRssBytes),
        "",
      ],
      ["the same, peak PSS", mebibytes(run.memory.peakPssBytes), ""],
    );
  }
  return [...headOf(result), ...aligned(rows)].join("\n");
}

/** Lines above a table: where, among what, how often. */
export function headOf({ machine, repeats }: Pick<BenchmarkResult, "machine" | "repeats">): string[] {
  return [
    `${machine.processor}, ${machine.cores} cores, ${machine.platform}, node ${machine.node}`,
    `load before ${machine.loadBefore.toFixed(2)}, after ${machine.loadAfter.toFixed(2)}; ${repeats} repeats; min / median / max`,
    "",
  ];
}

function codecRows(speed: CodecSpeed): Row[] {
  const { k, compress, aggregate, parse, compressShareOfMemoryPass } = speed;
  const rowOf = (what: string, operation: CodecOperation): Row[] => [
    [
      `k ${k}: ${what}, TypeScript, ns/${operation.unit}`,
      figures(operation.typescriptNanoseconds),
      "(a baseline)",
    ],
    [
      `k ${k}: ${what}, native, ns/${operation.unit}`,
      operation.nativeNanoseconds === null ? "no addon" : figures(operation.nativeNanoseconds),
      operation.nativeTimesFaster === null
        ? ""
        : `${figures(operation.nativeTimesFaster)} times the TypeScript speed`,
    ],
  ];
  return [
    ...rowOf("compress", compress),
    [
      `k ${k}: compress, share of memory pass`,
      percent(compressShareOfMemoryPass),
      "12 bytes an element / memory pass",
    ],
    ...rowOf("aggregate", aggregate),
    ...rowOf("parse", parse),
  ];
}

function shareText(share: Spread): string {
  return `${percent(share)} of the matrix probe`;
}

export function figures({ min, median, max }: Spread): string {
  return [min, median, max].map(figure).join(" / ");
}

export function percent({ min, median, max }: Spread): string {
  return `${[min, median, max].map((value) => figure(100 * value)).join(" / ")} %`;
}

/** Three significant digits, without exponents. */
export function figure(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function mebibytes(bytes: number | null): string {
  return bytes === null ? "not known here" : `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}

export function aligned(rows: readonly Row[]): string[] {
  const widthOf = (column: 0 | 1) => Math.max(...rows.map((row) => row[column].length));
  const [first, second] = [widthOf(0), widthOf(1)];
  return rows.map(([what, spread, baseline]) =>
    `${what.padEnd(first)}  ${spread.padEnd(second)}  ${baseline}`.trimEnd(),
  );
}
