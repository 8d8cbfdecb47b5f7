/**
 * `npm run bench`: speeds as ratios against baselines of the same run; `npm run bench -- codec`: the codec against memory, torch and
 * numpy; `npm run bench -- storage`: the stacks that a run can be kept on. `--json` prints an object of `result.ts`, `--quick` leaves things out. Progress goes to stderr. Nothing
 * here passes or fails.
 *
 * @module
 */
import { readArguments, UsageError } from "../cli/arguments.ts";
import { MISUSED, runUntilStopped } from "../cli/lifetime.ts";

async function speeds(quick: boolean, json: boolean): Promise<void> {
  const { measureSpeeds } = await import("./speeds.ts");
  const { tableOf } = await import("./table.ts");
  const result = await measureSpeeds(quick, progress);
  print(json ? JSON.stringify(result) : tableOf(result));
}

async function storage(quick: boolean, json: boolean, signal: AbortSignal): Promise<void> {
  const { measureStorage } = await import("./storage/measure.ts");
  const { storageTableOf } = await import("./storage/storage-table.ts");
  const result = await measureStorage(quick, progress, signal);
  print(json ? JSON.stringify(result) : storageTableOf(result));
}

async function codec(quick: boolean, json: boolean): Promise<void> {
  const { measureCodecFigures } = await import("./codec/measure.ts");
  const { codecTableOf } = await import("./codec/codec-table.ts");
  const repeats = quick ? 3 : 9;
  const result = await measureCodecFigures(repeats, progress);
  print(json ? JSON.stringify(result) : codecTableOf(result, repeats));
}

function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

try {
  const [first, ...rest] = process.argv.slice(2);
  const word = first?.startsWith("-") === false ? first : undefined;
  if (word !== undefined && !["codec", "storage"].includes(word))
    throw new UsageError(`there is no benchmark "${word}"`);
  const { json, quick } = readArguments(word === undefined ? process.argv.slice(2) : rest, {
    json: { kind: "boolean", help: "one JSON object on stdout" },
    quick: { kind: "boolean", help: "fewer repeats, no embedded run" },
  });
  if (word === undefined) await speeds(quick === true, json === true);
  else if (word === "codec") await codec(quick === true, json === true);
  else {
    process.exitCode = await runUntilStopped((signal) => storage(quick === true, json === true, signal));
  }
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`bench: ${error.message}; words: codec, storage; options: --json, --quick\n`);
  process.exitCode = MISUSED;
}
