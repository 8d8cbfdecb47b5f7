/**
 * What each role may do, as plain data: the deploy makes IAM statements of it, and nothing else grants anything to
 * these roles. Each line is there because a handler does just that; see `functions/rounds`, `functions/triggers` and
 * `functions/api`. A `*` stands for the run, the round or the peer within a key, never for everything.
 *
 * SST adds one thing of its own to the four functions: AWS's managed policy `AWSLambdaBasicExecutionRole`, which lets
 * a function write logs.
 *
 * @module
 */

export const queueNames = ["ticks", "shards", "jobs"] as const;
export type QueueName = (typeof queueNames)[number];
export type TicketRole = "uploadTickets" | "readTickets";

/** What a permission is about; `resources.ts` knows the ARN of each. */
export type Resource =
  | "bucket"
  | `object:${string}`
  | `queue:${QueueName}`
  | `dead:${QueueName}`
  /** Parameters of runs under `/outerloop/{stage}/`. */
  | `secret:${"coordinator" | "api"}/*`
  | `role:${TicketRole}`;

export interface Permission {
  actions: readonly `${"s3" | "sqs" | "ssm" | "sts"}:${string}`[];
  resources: readonly Resource[];
}

/**
 * Reading objects. S3 answers 404 for an object that is not there only to those who may list its bucket, and 403 to
 * others; every reader here must be able to tell "not yet" from "not allowed".
 */
const read = (...keys: string[]): Permission[] => [
  { actions: ["s3:ListBucket"], resources: ["bucket"] },
  { actions: ["s3:GetObject"], resources: keys.map((key) => `object:${key}` as const) },
];

const write = (...keys: string[]): Permission => ({
  actions: ["s3:PutObject"],
  resources: keys.map((key) => `object:${key}` as const),
});

const send = (...queues: QueueName[]): Permission => ({
  actions: ["sqs:SendMessage"],
  resources: queues.map((queue) => `queue:${queue}` as const),
});

/**
 * Lambda takes messages from the queue in the function's name. What cannot succeed the function buries: it extends the
 * lease to see that it still holds it, sends a copy to the dead letters, and deletes the message.
 */
const consume = (queue: QueueName): Permission[] => [
  {
    actions: [
      "sqs:ReceiveMessage",
      "sqs:ChangeMessageVisibility",
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
    ],
    resources: [`queue:${queue}`],
  },
  { actions: ["sqs:SendMessage"], resources: [`dead:${queue}`] },
];

const readSecret = (part: "coordinator" | "api"): Permission => ({
  actions: ["ssm:GetParameter"],
  resources: [`secret:${part}/*`],
});

/** Whoever decides: the five decision objects, what follows from them, and the head. Uploads are listed, not read. */
const decide: Permission[] = [
  ...read("public/*", "sealed/*"),
  write(
    "public/*/rounds/*/roster.json",
    "public/*/rounds/*/cutoff.json",
    "public/*/rounds/*/close.json",
    "public/*/rounds/*/selection.json",
    "public/*/rounds/*/manifest.json",
    "public/*/rounds/*/receipts/*",
    "public/*/rounds/*/ledger/*",
    "public/*/head.json",
  ),
  send("ticks", "shards", "jobs"),
  readSecret("coordinator"),
];

export const permissions = {
  decide: [...decide, ...consume("ticks")],

  /** Everything `decide` does, and the status views; it takes finished runs off its list. */
  sweep: [
    ...decide,
    { actions: ["s3:GetObject"], resources: ["object:views/*"] },
    write("views/*"),
    { actions: ["s3:DeleteObject"], resources: ["object:active/*"] },
  ],

  /** Checks, aggregates and states, of which the large ones are written in parts. */
  shards: [
    ...read("public/*", "sealed/*", "uploads/*"),
    write(
      "sealed/*.check.json",
      "sealed/*/submission.json",
      "sealed/*/aggregates/*",
      "sealed/*/states/*",
      "public/*/rounds/*/aggregates/*",
      "public/*/states/*",
    ),
    {
      actions: ["s3:AbortMultipartUpload"],
      resources: ["object:public/*/rounds/*/aggregates/*", "object:public/*/states/*"],
    },
    send("ticks"),
    ...consume("shards"),
    readSecret("coordinator"),
  ],

  /**
   * Stores what peers and evaluators signed; leases jobs for evaluators, and puts those of another run back if that is
   * active; signs tickets as the two roles below. The last picture of a run spares it the rounds before.
   */
  api: [
    ...read("public/*", "sealed/*", "views/*", "active/*"),
    write(
      "public/*/peers/*",
      "public/*/rounds/*/intents/*",
      "public/*/rounds/*/held-out/*",
      "sealed/*/commit.json",
      "sealed/*/reports/*",
      "sealed/*/guards/*",
    ),
    send("ticks", "jobs"),
    {
      actions: ["sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage"],
      resources: ["queue:jobs"],
    },
    readSecret("api"),
    { actions: ["sts:AssumeRole"], resources: ["role:uploadTickets", "role:readTickets"] },
  ],

  /** Signs presigned uploads: whoever steals its credentials can add uploads, and read or replace nothing. */
  uploadTickets: [write("uploads/*")],

  /** Signs presigned downloads. It lists so that an absent object is a 404; no ticket is ever a listing. */
  readTickets: read("public/*", "views/*", "sealed/*", "uploads/*"),
} satisfies Record<string, Permission[]>;

export type RoleName = keyof typeof permissions;
