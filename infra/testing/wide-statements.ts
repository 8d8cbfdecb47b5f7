/**
 * Which statements of roles reach further than the things they are about. Keys and parameters may have a star for run,
 * round or peer, or for all of one prefix; a group of logs, for its streams.
 *
 * @module
 */
import { ACCOUNT, REGION } from "./account.ts";
import type { Deployment } from "./deployment.ts";
import { inlinePolicy } from "./iam-matrix.ts";

/** Of all roles with a policy of their own: how many statements were looked at, and what is too wide. */
export function wideStatements(deployment: Deployment, stage: string): { looked: number; wide: string[] } {
  const statements = deployment
    .ofType("iam/role:Role")
    .filter(({ inputs }) => inputs.inlinePolicies !== undefined)
    .flatMap((role) => inlinePolicy(role).Statement.map((statement) => ({ role: role.name, ...statement })));
  const wide = statements.flatMap(({ role, Effect, Action, Resource = [], NotResource }) => [
    ...(Effect === "Allow" && NotResource === undefined ? [] : [`${role}: not a plain Allow`]),
    ...Action.filter((action) => action.includes("*")).map((action) => `${role}: ${action}`),
    ...Resource.filter((arn) => !isNarrow(arn, stage)).map((arn) => `${role}: ${Action.join()} on ${arn}`),
  ]);
  return { looked: statements.length, wide };
}

function isNarrow(arn: string, stage: string): boolean {
  const store = `arn:aws:s3:::outerloop-${stage}-store`;
  return [
    /^arn:aws:[a-z0-9]+:[^*]+$/,
    new RegExp(`^${store}/[a-z]+/[^?]+$`),
    new RegExp(`^arn:aws:ssm:${REGION}:${ACCOUNT}:parameter/outerloop/${stage}/(coordinator|api)/\\*$`),
    new RegExp(`^arn:aws:logs:${REGION}:${ACCOUNT}:log-group:[^*]+:\\*$`),
  ].some((pattern) => pattern.test(arn));
}
