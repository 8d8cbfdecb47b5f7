/**
 * IAM statements from the plain data of `permissions.ts`: every resource gets its ARN.
 *
 * @module
 */
import { parameterArn, ticketRoleArn } from "./names.ts";
import {
  type Permission,
  permissions,
  type QueueName,
  type Resource,
  type RoleName,
  type TicketRole,
} from "./permissions.ts";
import type { Queues } from "./queues.ts";

/** What permissions are about. */
export interface Subjects {
  bucket: aws.s3.Bucket;
  queues: Queues;
}

/** The statements of a role, in the form that SST's functions take. */
export function statementsOf(role: RoleName, subjects: Subjects) {
  return permissions[role].map(({ actions, resources }: Permission) => ({
    actions: [...actions],
    resources: resources.map((resource) => arnOf(resource, subjects)),
  }));
}

/** The same as the text of a policy. */
export function policyOf(role: RoleName, subjects: Subjects): $util.Output<string> {
  return $jsonStringify({
    Version: "2012-10-17",
    Statement: statementsOf(role, subjects).map(({ actions, resources }) => ({
      Effect: "Allow",
      Action: actions,
      Resource: resources,
    })),
  });
}

/** Who may take a role: a service of AWS. */
export function trustOf(service: string): string {
  return JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { Service: service }, Action: "sts:AssumeRole" }],
  });
}

function arnOf(resource: Resource, { bucket, queues }: Subjects): $util.Output<string> {
  if (resource === "bucket") return bucket.arn;
  const [kind, name] = split(resource);
  switch (kind) {
    case "object":
      return $interpolate`${bucket.arn}/${name}`;
    case "queue":
      return queues[name as QueueName].queue.arn;
    case "dead":
      return queues[name as QueueName].dead.arn;
    case "secret":
      return parameterArn(name);
    case "role":
      return ticketRoleArn(name as TicketRole);
  }
}

type Kind = "object" | "queue" | "dead" | "secret" | "role";

function split(resource: Exclude<Resource, "bucket">): [Kind, string] {
  const at = resource.indexOf(":");
  return [resource.slice(0, at) as Kind, resource.slice(at + 1)];
}
