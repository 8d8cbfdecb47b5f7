/**
 * What things are called: in the plan of a deploy, and in the account where somebody has to find them.
 *
 * @module
 */
import type { QueueName, TicketRole } from "./permissions.ts";
import { APP } from "./stage.ts";

/** The name of a component: `ticks` is `Ticks`. */
export function titleOf(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** What the names of a stage's queues begin with; `outerloop doctor --name` finds them by it. */
export function queuePrefix(): string {
  return `${APP}-${$app.stage}`;
}

/** `outerloop-{stage}-ticks`; the dead letters lie in the queue of the same name with `-dead` behind it. */
export function queueNameOf(queue: QueueName): string {
  return `${queuePrefix()}-${queue}`;
}

/** Where the secrets of a stage's runs are kept. */
export function secretsPrefix(): string {
  return `/${APP}/${$app.stage}`;
}

export function parameterArn(name: string): $util.Output<string> {
  const { partition } = aws.getPartitionOutput();
  const { region } = aws.getRegionOutput();
  const { accountId } = aws.getCallerIdentityOutput();
  return $interpolate`arn:${partition}:ssm:${region}:${accountId}:parameter${secretsPrefix()}/${name}`;
}

/**
 * Ticket roles have set names: the API's role names them and they name the API's role, and one of the two has to come
 * first.
 */
export function ticketRoleName(role: TicketRole): string {
  return `${APP}-${$app.stage}-${titleOf(role)}`;
}

export function ticketRoleArn(role: TicketRole): $util.Output<string> {
  const { partition } = aws.getPartitionOutput();
  const { accountId } = aws.getCallerIdentityOutput();
  return $interpolate`arn:${partition}:iam::${accountId}:role/${ticketRoleName(role)}`;
}
