/**
 * Where a deployment lives: store, bucket, queues. `provision`, `doctor` and `up --store s3` take the same options.
 *
 * @module
 */
import { z } from "zod";
import type { StoreProfile } from "../../functions/storage/aws-clients.ts";
import { firstIssues, OuterloopError } from "../../schemas/index.ts";

/**
 * How the store announces uploads. `webhook:NAME` is a target of MinIO's configuration; `auto` asks the server what it is.
 */
export type NotifyChoice = "auto" | "sqs" | "none" | `webhook:${string}`;

/** Credentials are not among them: they come from the environment, a profile or a role, as the SDK finds them. */
export interface StorageOptions {
  /** The store: `http://127.0.0.1:9000`. Absent: AWS. */
  endpoint?: string | undefined;
  /** The queue service. Absent: AWS. */
  queueEndpoint?: string | undefined;
  bucket: string;
  /** Prefix of the queues' names: `{name}-ticks` and so on. */
  name: string;
  region: string;
  profile: StoreProfile;
  notify: NotifyChoice;
}

/** What a person may leave out. */
export type StorageInput = {
  [Option in keyof StorageOptions]?: string | undefined;
};

export const DEFAULT_BUCKET = "outerloop";
export const DEFAULT_WEBHOOK = "OUTERLOOP";

export const storageSchema = z.strictObject({
  endpoint: z.url({ protocol: /^https?$/ }).optional(),
  queueEndpoint: z.url({ protocol: /^https?$/ }).optional(),
  bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "3 to 63 of a-z, 0-9, '.' and '-'"),
  name: z.string().regex(/^[A-Za-z0-9_-]{1,60}$/, "1 to 60 letters, digits, '-' and '_'"),
  region: z.string().regex(/^[a-z0-9-]+$/, "a region such as us-east-1"),
  profile: z.enum(["s3", "r2"]),
  notify: z.custom<NotifyChoice>(
    (value) => typeof value === "string" && /^(auto|sqs|none|webhook:[A-Za-z0-9_-]+)$/.test(value),
    "auto, sqs, none or webhook:NAME",
  ),
});

/** Fills in the defaults and checks the rest (`invalid-option`). */
export function storageOptions(input: StorageInput = {}, environment = process.env): StorageOptions {
  const bucket = input.bucket ?? DEFAULT_BUCKET;
  const endpoint = input.endpoint?.replace(/\/+$/, "");
  // Who names a store of their own does not want queues to be made at AWS. R2 has none of its own.
  const queuesBeside = input.profile === "r2" ? undefined : endpoint;
  const parsed = storageSchema.safeParse({
    endpoint,
    queueEndpoint: input.queueEndpoint?.replace(/\/+$/, "") ?? queuesBeside,
    bucket,
    // A queue's name may hold no dot, a bucket's may.
    name: input.name ?? bucket.replaceAll(".", "-"),
    region: input.region ?? environment.AWS_REGION ?? environment.AWS_DEFAULT_REGION ?? "us-east-1",
    profile: input.profile ?? "s3",
    notify: input.notify === "webhook" ? `webhook:${DEFAULT_WEBHOOK}` : (input.notify ?? "auto"),
  });
  if (!parsed.success) throw new OuterloopError("invalid-option", firstIssues(parsed.error));
  return parsed.data;
}

/** The options as a person types them, defaults left out: for "what to type next". */
export function storageArguments(options: StorageOptions, environment = process.env): string {
  const defaults = storageOptions({ bucket: options.bucket }, environment);
  const words: [string, string | undefined, string | undefined][] = [
    ["--endpoint", options.endpoint, undefined],
    ["--queue", options.queueEndpoint, undefined],
    ["--bucket", options.bucket, DEFAULT_BUCKET],
    ["--name", options.name, defaults.name],
    ["--region", options.region, defaults.region],
    ["--profile", options.profile, defaults.profile],
    ["--notify", options.notify, defaults.notify],
  ];
  return words
    .flatMap(([word, value, usual]) => (value === undefined || value === usual ? [] : [word, value]))
    .join(" ");
}
