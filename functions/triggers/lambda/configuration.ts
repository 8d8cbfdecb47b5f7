/**
 * What a function is told by its environment, read once and checked.
 *
 * @module
 */
import { z } from "zod";
import { OuterloopError } from "../../../schemas/index.ts";

const address = z.url({
  protocol: /^https?$/,
  error: "must be an address such as https://sqs.eu-west-1.amazonaws.com",
});
const role = z.string().regex(/^arn:[\w-]+:iam::\d{12}:role\/.+$/, "must be the ARN of a role");

/** Of every function. */
const common = z.object({
  /** Lambda sets it. */
  AWS_REGION: z.string(),
  OUTERLOOP_BUCKET: z.string(),
  /** Not set: AWS. */
  OUTERLOOP_S3_ENDPOINT: address.optional(),
  OUTERLOOP_SQS_ENDPOINT: address.optional(),
  OUTERLOOP_STORE_PROFILE: z.enum(["s3", "r2"], { error: "must be s3 or r2" }).default("s3"),
  OUTERLOOP_TICKS_QUEUE: address,
  OUTERLOOP_TICKS_DEAD: address,
  OUTERLOOP_SHARDS_QUEUE: address,
  OUTERLOOP_SHARDS_DEAD: address,
  OUTERLOOP_JOBS_QUEUE: address,
  OUTERLOOP_JOBS_DEAD: address,
  OUTERLOOP_SECRETS: z.string().regex(/^(ssm:\/|file:)./, "must be ssm:/PREFIX or file:FOLDER"),
});

/** Of the API besides. */
const api = common.extend({
  /** What signatures of peers cover. */
  OUTERLOOP_AUTHORITY: z.string().regex(/^[^/\s]+$/, "must be a host, with its port if it has one"),
  /** Sign tickets; not set: the function's own role does. */
  OUTERLOOP_UPLOAD_ROLE: role.optional(),
  OUTERLOOP_READ_ROLE: role.optional(),
  /** A cache in front of what everybody may read. */
  OUTERLOOP_PUBLIC_URL: address.transform((url) => url.replace(/\/+$/, "")).optional(),
  /** Mounts the route that a store posts its notifications to. */
  OUTERLOOP_EVENTS_TOKEN: z.string().min(16, "must have at least 16 characters").optional(),
});

export interface QueueAddress {
  queueUrl: string;
  deadLetterUrl: string;
}

/** Of the functions that decide, sweep and work on shards. */
export interface Configuration {
  region: string;
  bucket: string;
  storeEndpoint: string | undefined;
  queueEndpoint: string | undefined;
  profile: "s3" | "r2";
  queues: Record<"ticks" | "shards" | "jobs", QueueAddress>;
  /** Place of the secrets, as `openSecretStore` reads it. */
  secrets: string;
}

export interface ApiConfiguration extends Configuration {
  authority: string;
  uploadRole: string | undefined;
  readRole: string | undefined;
  publicUrl: string | undefined;
  notificationToken: string | undefined;
}

type Variables = Readonly<Record<string, string | undefined>>;

/** Typed error `invalid-configuration`: names every variable that is missing or wrong, and the value of none. */
export function readConfiguration(environment: Variables): Configuration {
  return configurationOf(check(common, environment));
}

/** {@link readConfiguration} for the API. */
export function readApiConfiguration(environment: Variables): ApiConfiguration {
  const found = check(api, environment);
  return {
    ...configurationOf(found),
    authority: found.OUTERLOOP_AUTHORITY,
    uploadRole: found.OUTERLOOP_UPLOAD_ROLE,
    readRole: found.OUTERLOOP_READ_ROLE,
    publicUrl: found.OUTERLOOP_PUBLIC_URL,
    notificationToken: found.OUTERLOOP_EVENTS_TOKEN,
  };
}

function configurationOf(found: z.infer<typeof common>): Configuration {
  return {
    region: found.AWS_REGION,
    bucket: found.OUTERLOOP_BUCKET,
    storeEndpoint: found.OUTERLOOP_S3_ENDPOINT,
    queueEndpoint: found.OUTERLOOP_SQS_ENDPOINT,
    profile: found.OUTERLOOP_STORE_PROFILE,
    queues: {
      ticks: { queueUrl: found.OUTERLOOP_TICKS_QUEUE, deadLetterUrl: found.OUTERLOOP_TICKS_DEAD },
      shards: { queueUrl: found.OUTERLOOP_SHARDS_QUEUE, deadLetterUrl: found.OUTERLOOP_SHARDS_DEAD },
      jobs: { queueUrl: found.OUTERLOOP_JOBS_QUEUE, deadLetterUrl: found.OUTERLOOP_JOBS_DEAD },
    },
    secrets: found.OUTERLOOP_SECRETS,
  };
}

function check<T>(schema: z.ZodType<T>, environment: Variables): T {
  // `NAME=` means: not set.
  const set = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ""));
  const parsed = schema.safeParse(set);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => {
    const name = path.join(".");
    return `${name} ${set[name] === undefined ? "is missing" : message}`;
  });
  throw new OuterloopError(
    "invalid-configuration",
    `the environment of this function is not complete: ${problems.join("; ")}. The deploy sets these variables`,
    { variables: parsed.error.issues.map(({ path }) => path.join(".")) },
  );
}
