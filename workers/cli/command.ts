/**
 * What a command is, and the options that several commands share.
 *
 * @module
 */
import type { CloudStorage } from "../local/run-folder.ts";
import { storageOptions } from "../operator/storage-options.ts";
import { type OptionSpec, text, UsageError, type Values } from "./arguments.ts";
import type { SourceOptions } from "./source.ts";

export interface Command {
  summary: string;
  options: Record<string, OptionSpec>;
  /** The option that a first word without dashes is the value of. */
  positional?: string;
  /** Modules are loaded by the command that needs them: `status` must not wait for a training runtime. */
  run: (values: Values) => Promise<number>;
}

export const DEFAULT_DATA_DIR = ".outerloop";
export const dataDir: OptionSpec = {
  kind: "text",
  help: `folder of runs, keys and states (${DEFAULT_DATA_DIR})`,
};
export const coordinator: OptionSpec = { kind: "url", help: "URL of the coordinator" };
export const run: OptionSpec = { kind: "text", help: "run id (the newest one)" };

/**
 * Options that say where a deployment is: one that was typed for `provision` may be typed everywhere. Credentials come
 * from the environment, as for any AWS tool.
 */
export const cloudOptions: Record<string, OptionSpec> = {
  endpoint: { kind: "url", help: "store that speaks S3's protocol (AWS)" },
  queue: { kind: "url", help: "service that speaks SQS's protocol (AWS)" },
  bucket: { kind: "text", help: "bucket (outerloop)" },
  name: { kind: "text", help: "what the queues' names begin with (the bucket's name)" },
  region: { kind: "text", help: "region (AWS_REGION, else us-east-1)" },
  profile: { kind: "text", choices: ["s3", "r2"], help: "r2 for Cloudflare R2, which lacks some of S3 (s3)" },
};

/** Of commands that set or examine notifications. */
export const notify: OptionSpec = {
  kind: "text",
  help: "how uploads are announced: auto, sqs, webhook:NAME (of a MinIO server) or none (auto)",
};

/** The storage that the options name, with the usual values for what they leave out (`invalid-option`). */
export function cloudStorageOf(values: Values): CloudStorage {
  return {
    kind: "s3",
    ...storageOptions({
      endpoint: text(values.endpoint),
      queueEndpoint: text(values.queue),
      bucket: text(values.bucket),
      name: text(values.name),
      region: text(values.region),
      profile: text(values.profile),
      notify: text(values.notify),
    }),
  };
}

/** Where a run is kept, by `--store`; undefined: not said. Options of a bucket without `--store s3` are a mistake. */
export function storageOf(values: Values): CloudStorage | { kind: "folder" } | undefined {
  const store = text(values.store);
  if (store === "s3") return cloudStorageOf(values);
  refuse(values, [...Object.keys(cloudOptions), "notify"], "goes with --store s3");
  return store === undefined ? undefined : { kind: "folder" };
}

/** What a command would ignore it refuses: whoever typed one of these options meant something by it. */
export function refuse(values: Values, options: readonly string[], why: string): void {
  const stray = options.find((name) => values[name] !== undefined);
  if (stray !== undefined) throw new UsageError(`--${stray} ${why}`);
}

/** Options of commands that read a run: from a folder, a bucket, or a coordinator. */
export const sourceOptions: Record<string, OptionSpec> = {
  "data-dir": dataDir,
  coordinator: { ...coordinator, help: "ask this coordinator instead of reading a folder" },
  run,
  store: { kind: "text", choices: ["folder", "s3"], help: "s3: read a bucket instead of a folder (folder)" },
  ...cloudOptions,
};

/** Where those options say that the run is. */
export function sourceOf(values: Values): SourceOptions {
  const storage = storageOf(values);
  if (storage?.kind === "s3") refuse(values, ["data-dir"], "goes without --store s3: a bucket is read");
  if (values.coordinator !== undefined)
    refuse(values, ["store", "data-dir"], "goes without --coordinator, which is asked instead");
  return {
    dataDir: text(values["data-dir"]) ?? DEFAULT_DATA_DIR,
    storage: storage?.kind === "s3" ? storage : undefined,
    coordinator: text(values.coordinator),
    run: text(values.run),
  };
}

export function workerOptions(values: Values, folder: string) {
  const url = text(values.coordinator);
  if (url === undefined) throw new UsageError("--coordinator URL is needed: who serves the run?");
  return { coordinator: url, run: text(values.run), dataDir: text(values["data-dir"]) ?? folder };
}
