/**
 * Who may do what, worked out from the policies of a deployment: a row for each kind of object, queue, parameter and
 * role, a column for each caller, a letter for each action that is allowed.
 *
 * @module
 */
import { keys } from "../../schemas/keys.ts";
import { type QueueName, queueNames, type RoleName } from "../permissions.ts";
import { ACCOUNT, arnOf, REGION } from "./account.ts";
import type { Declared, Deployment } from "./deployment.ts";
import { type Caller, isAllowed, type Policy, type Request, readPolicy } from "./policy.ts";

export interface Matrix {
  title: string;
  /** What the letters stand for. */
  legend: string;
  /** Roles of the four functions and of the two kinds of tickets; an administrator of the account; and others. */
  columns: string[];
  /** Cells by row, in the order of the columns; `-`: nothing. */
  rows: Record<string, string[]>;
}

/** A caller with the policies of its own. */
interface Column {
  caller: Caller;
  identity: Policy[];
  context?: Readonly<Record<string, string>>;
}

/** The resource of a role's own in a deployment. */
const ROLES: Record<RoleName, string> = {
  decide: "DecideRole",
  shards: "ShardsRole",
  api: "ApiRole",
  sweep: "SweepRole",
  uploadTickets: "UploadTickets",
  readTickets: "ReadTickets",
};

/** Everything under an account's roof is allowed to its administrators: what they may not do, the bucket refuses. */
const ADMINISTRATOR: Column = {
  caller: { role: `arn:aws:iam::${ACCOUNT}:role/administrator` },
  identity: [
    {
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Action: ["s3:*", "sqs:*", "ssm:*", "sts:*"], Resource: ["*"] }],
    },
  ],
};
const ANYBODY: Column = { caller: "anybody", identity: [] };

export function roleArn(role: Declared): string {
  return arnOf(role.type, String(role.inputs.name ?? role.name));
}

/** The policy that a role was given, of which there must be exactly one. */
export function inlinePolicy(role: Declared): Policy {
  const policies = role.inputs.inlinePolicies as { policy: string }[];
  if (policies.length !== 1) throw new Error(`${role.name} has ${policies.length} inline policies, not one`);
  return readPolicy(policies[0]?.policy);
}

export function roleOf(deployment: Deployment, role: RoleName): Declared {
  return deployment.named("iam/role:Role", ROLES[role]);
}

function roleColumns(deployment: Deployment): Record<string, Column> {
  const column = (name: RoleName): Column => {
    const role = roleOf(deployment, name);
    return { caller: { role: roleArn(role) }, identity: [inlinePolicy(role)] };
  };
  return {
    decide: column("decide"),
    shards: column("shards"),
    api: column("api"),
    sweep: column("sweep"),
    upload: column("uploadTickets"),
    read: column("readTickets"),
  };
}

const HTTPS = { "aws:SecureTransport": "true" };
const CREATES = { ...HTTPS, "s3:ObjectCreationOperation": "true" };

const OBJECT_ACTIONS = {
  r: { action: "s3:GetObject", context: HTTPS },
  c: { action: "s3:PutObject", context: { ...CREATES, "s3:if-none-match": "*" } },
  s: { action: "s3:PutObject", context: { ...CREATES, "s3:if-match": "etag" } },
  w: { action: "s3:PutObject", context: CREATES },
  d: { action: "s3:DeleteObject", context: HTTPS },
};

/** A key of every kind, from the functions that the code itself makes keys with. */
const OBJECTS = [
  keys.head("{run}"),
  keys.genesis("{run}"),
  keys.control("{run}", 1),
  keys.dataIndex("{run}"),
  keys.dataShard("{run}", 0),
  keys.peer("{run}", "{peer}"),
  keys.intent("{run}", 1, "{peer}"),
  keys.roster("{run}", 1),
  keys.cutoff("{run}", 1),
  keys.close("{run}", 1),
  keys.selection("{run}", 1),
  keys.aggregate("{run}", 1, 0, "selected"),
  keys.manifest("{run}", 1),
  keys.receipts("{run}", 1, 0),
  keys.ledger("{run}", 1, 0),
  keys.heldOut("{run}", 1, "{evaluator}"),
  keys.stateShard("{run}", 1, 0),
  keys.state("{run}", 1),
  keys.upload("{run}", 1, "{peer}", 0),
  keys.commit("{run}", 1, "{peer}"),
  keys.check("{run}", 1, "{peer}", 0),
  keys.submission("{run}", 1, "{peer}"),
  keys.report("{run}", 1, "{job}", "{evaluator}"),
  keys.aggregateRecord("{run}", 1, 0, "selected"),
  keys.guard("{run}", 1, "selected", "{evaluator}"),
  keys.stateRecord("{run}", 1, 0),
  keys.active("{run}"),
  keys.statusView("{run}"),
  "anything/else",
];

export function bucketPolicyOf(deployment: Deployment): Policy {
  return readPolicy(deployment.named("s3/bucketPolicy:BucketPolicy", "StorePolicy").inputs.policy);
}

export function bucketArnOf(deployment: Deployment): string {
  const [bucket] = deployment.ofType("s3/bucket:Bucket");
  if (bucket === undefined) throw new Error("there is no bucket");
  return arnOf(bucket.type, bucket.name);
}

export function objectMatrix(deployment: Deployment): Matrix {
  const bucketArn = bucketArnOf(deployment);
  const resource = [bucketPolicyOf(deployment)];
  const columns = { ...roleColumns(deployment), admin: ADMINISTRATOR, anybody: ANYBODY };
  const cells = (arn: string, actions: Record<string, Pick<Request, "action" | "context">>) =>
    Object.values(columns).map((column) => lettersOf(column, arn, actions, resource));
  return {
    title: "Objects",
    legend:
      "r read, c create once (`If-None-Match`), s swap (`If-Match`), w write without a condition, d delete, l list",
    columns: Object.keys(columns),
    rows: {
      "the bucket": cells(bucketArn, { l: { action: "s3:ListBucket", context: HTTPS } }),
      ...Object.fromEntries(OBJECTS.map((key) => [key, cells(`${bucketArn}/${key}`, OBJECT_ACTIONS)])),
    },
  };
}

const QUEUE_ACTIONS = {
  s: { action: "sqs:SendMessage" },
  r: { action: "sqs:ReceiveMessage" },
  v: { action: "sqs:ChangeMessageVisibility" },
  a: { action: "sqs:DeleteMessage" },
  p: { action: "sqs:PurgeQueue" },
};

export function queueMatrix(deployment: Deployment): Matrix {
  const bucket = (arn: string, account: string): Column => ({
    caller: { service: "s3.amazonaws.com" },
    identity: [],
    context: { "aws:SourceArn": arn, "aws:SourceAccount": account },
  });
  const columns: Record<string, Column> = {
    ...roleColumns(deployment),
    "our bucket": bucket(bucketArnOf(deployment), ACCOUNT),
    "another bucket": bucket("arn:aws:s3:::another", ACCOUNT),
    "another account": bucket(bucketArnOf(deployment), "999999999999"),
  };
  const row = (name: QueueName, dead: boolean): [string, string[]] => {
    const title = `${name.charAt(0).toUpperCase()}${name.slice(1)}${dead ? "Dead" : ""}Queue`;
    const queue = deployment.named("sqs/queue:Queue", title);
    const arn = arnOf(queue.type, String(queue.inputs.name));
    const resource = deployment
      .ofType("sqs/queuePolicy:QueuePolicy")
      .filter(({ inputs }) => String(inputs.queueUrl).endsWith(`/${queue.inputs.name}`))
      .map(({ inputs }) => readPolicy(inputs.policy));
    const cells = Object.values(columns).map((column) => lettersOf(column, arn, QUEUE_ACTIONS, resource));
    return [dead ? `${name}-dead` : name, cells];
  };
  return {
    title: "Queues",
    legend: "s send, r receive, v change visibility, a acknowledge (delete), p purge",
    columns: Object.keys(columns),
    rows: Object.fromEntries(queueNames.flatMap((name) => [row(name, false), row(name, true)])),
  };
}

const PARAMETER_ACTIONS = {
  r: { action: "ssm:GetParameter" },
  w: { action: "ssm:PutParameter" },
};

/** Parameters by identity alone; a role only where its own trust names the caller, too. */
export function secretMatrix(deployment: Deployment, stage: string): Matrix {
  const columns = roleColumns(deployment);
  const parameter = (name: string): [string, string[]] => [
    `/outerloop/${stage}/${name}`,
    Object.values(columns).map((column) =>
      lettersOf(
        column,
        `arn:aws:ssm:${REGION}:${ACCOUNT}:parameter/outerloop/${stage}/${name}`,
        PARAMETER_ACTIONS,
        [],
      ),
    ),
  ];
  const assumed = (title: string, name: RoleName): [string, string[]] => {
    const role = roleOf(deployment, name);
    const trust = readPolicy(role.inputs.assumeRolePolicy);
    const arn = roleArn(role);
    // A trust policy has no resource: it is about the role it belongs to.
    const resource = {
      ...trust,
      Statement: trust.Statement.map((statement) => ({ ...statement, Resource: [arn] })),
    };
    return [
      title,
      Object.values(columns).map(({ caller, identity }) => {
        const request = { caller, action: "sts:AssumeRole", resource: arn };
        return isAllowed(request, { identity }) && isAllowed(request, { resource: [resource] }) ? "a" : "-";
      }),
    ];
  };
  return {
    title: "Secrets and roles",
    legend: "r read, w write, a assume",
    columns: Object.keys(columns),
    rows: Object.fromEntries([
      parameter("coordinator/{run}"),
      parameter("api/{run}"),
      parameter("evaluator/key"),
      assumed("the role upload", "uploadTickets"),
      assumed("the role read", "readTickets"),
    ]),
  };
}

function lettersOf(
  { caller, identity, context = {} }: Column,
  resource: string,
  actions: Record<string, Pick<Request, "action" | "context">>,
  policies: readonly Policy[],
): string {
  const letters = Object.entries(actions).flatMap(([letter, asked]) => {
    const request = { caller, resource, ...asked, context: { ...asked.context, ...context } };
    return isAllowed(request, { identity, resource: policies }) ? [letter] : [];
  });
  return letters.join("") || "-";
}

/** A matrix as a table for a terminal. */
export function asText({ title, legend, columns, rows }: Matrix): string {
  const lines = [["", ...columns], ...Object.entries(rows).map(([name, cells]) => [name, ...cells])];
  const widths = lines[0]?.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0))) ?? [];
  const table = lines.map((line) =>
    line
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return [`${title}: ${legend}`, ...table].join("\n");
}

/** The same for the documents. */
export function asMarkdown({ title, legend, columns, rows }: Matrix): string {
  const line = (cells: string[]) => `| ${cells.join(" | ")} |`;
  return [
    `### ${title}`,
    "",
    `${legend}.`,
    "",
    line(["", ...columns]),
    line(["---", ...columns.map(() => "---")]),
    ...Object.entries(rows).map(([name, cells]) =>
      line([`\`${name}\``, ...cells.map((cell) => (cell === "-" ? "" : cell))]),
    ),
  ].join("\n");
}
