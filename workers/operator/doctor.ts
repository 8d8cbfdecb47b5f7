/**
 * `outerloop doctor`: examines a bucket, its queues and a coordinator from where it runs, and explains what is wrong.
 *
 * @module
 */
import type { Result, Status } from "./checks/check.ts";
import { examine, longestName } from "./examine.ts";
import {
  type StorageInput,
  type StorageOptions,
  storageArguments,
  storageOptions,
} from "./storage-options.ts";

export interface DoctorOptions extends StorageInput {
  /** Examined too, if given. */
  coordinator?: string | undefined;
  /** One JSON object on stdout instead of lines. */
  json: boolean;
}

/** The command; returns its exit status: 1 if a check failed. */
export async function doctorCommand(options: DoctorOptions, signal: AbortSignal): Promise<number> {
  const storage = storageOptions(options);
  const { coordinator, json } = options;
  const print = (line: string) => void process.stdout.write(`${line}\n`);
  const results = await examine(storage, signal, {
    coordinator,
    onResult: (result) => {
      // What was never asked would bury the one line that matters.
      if (!json && result.blockedBy === undefined) print(resultText(result));
    },
  });
  const passed = results.every(({ status }) => status !== "failed");
  const next = passed ? nextCommand(storage, coordinator) : null;
  if (json) print(JSON.stringify({ passed, counts: countsOf(results), results, next }));
  else print(`\n${[...summary(results), ...(next === null ? [] : ["", `next: ${next}`])].join("\n")}`);
  return passed ? 0 : 1;
}

/** Where a deployment serves runs, its next one is to be made; elsewhere `npm start` makes one and serves it. */
export function nextCommand(storage: StorageOptions, coordinator: string | undefined): string {
  const deployed = storage.endpoint === undefined;
  if (coordinator === undefined && !deployed)
    return `npm start -- --store s3 ${storageArguments(storage)}`.trimEnd();
  const place = storageArguments({ ...storage, notify: "auto" });
  const secrets = deployed ? "ssm:/PREFIX" : "file:FOLDER";
  return ["npm run outerloop -- run create", place, `--secrets ${secrets} --evaluators KEY`]
    .filter((part) => part !== "")
    .join(" ");
}

const STATUSES: readonly Status[] = ["ok", "warning", "failed", "not applicable"];
const STATUS_WIDTH = Math.max(...STATUSES.map(({ length }) => length));

function resultText({ status, name, detail, advice }: Result): string {
  const line = `${status.padEnd(STATUS_WIDTH)}  ${name.padEnd(longestName)}  ${detail}`;
  return advice === undefined
    ? line
    : `${line}\n${" ".repeat(STATUS_WIDTH + longestName + 4)}to do: ${advice}`;
}

function countsOf(results: readonly Result[]): Record<Status, number> {
  const count = (status: Status) => results.filter((result) => result.status === status).length;
  return {
    ok: count("ok"),
    warning: count("warning"),
    failed: count("failed"),
    "not applicable": count("not applicable"),
  };
}

function summary(results: readonly Result[]): string[] {
  const counts = countsOf(results);
  const blocked = results.filter(({ blockedBy }) => blockedBy !== undefined).length;
  return [
    ...(blocked === 0 ? [] : [`${blocked} more were not asked because of what failed`]),
    STATUSES.map((status) => `${counts[status]} ${status}`).join(", "),
  ];
}
