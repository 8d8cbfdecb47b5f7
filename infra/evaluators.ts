/**
 * An optional pool of GPU evaluators: a service of ECS that runs one evaluator on each of its machines, and starts
 * another where one ends. How many machines there are is the question of `gpu-machines.ts`.
 *
 * **What a container holds.** Its own signing key, from the parameter store, and the coordinator's URL: it talks HTTPS
 * like any box. It has no role, and does not reach that of its machine.
 *
 * **What starts it** is a role that the agent on the machine takes: it reads the key, pulls the image and writes the
 * log. With such a role set, the agent uses it for all three, and the machine's own for none of them.
 *
 * None of this has been run on a GPU or in an account; see `workers/evaluator/Dockerfile`.
 *
 * @module
 */
import { createGpuMachines } from "./gpu-machines.ts";
import { parameterArn, queuePrefix } from "./names.ts";
import type { GpuPool, LogRetention } from "./stage.ts";
import { trustOf } from "./statements.ts";

/** The operator writes it, under the stage's prefix: 64 hex digits, the seed of a key of the run's evaluators. */
export const POOL_KEY = "evaluator/key";
export const POOL_SERVICE = "evaluators";

/** The smallest machines with a GPU have 16 GiB; the agent and the system want some. */
const MEMORY_MIB = 12_288;
const DAYS: Record<LogRetention, number> = { "1 week": 7, "1 month": 30, "3 months": 90, "1 year": 365 };

export function createGpuPool(
  pool: GpuPool,
  logRetention: LogRetention,
  coordinator: $util.Input<string>,
): void {
  const cluster = new aws.ecs.Cluster("GpuPool", { name: queuePrefix() });
  createGpuMachines(pool, cluster);
  const logs = new aws.cloudwatch.LogGroup("EvaluatorLog", { retentionInDays: DAYS[logRetention] });
  new aws.ecs.Service("Evaluators", {
    name: POOL_SERVICE,
    cluster: cluster.arn,
    taskDefinition: createEvaluator(pool.image, logs, coordinator).arn,
    launchType: "EC2",
    // One on each machine.
    schedulingStrategy: "DAEMON",
    // A machine has one GPU: the new evaluator starts when the old one has ended.
    deploymentMinimumHealthyPercent: 0,
  });
}

function createEvaluator(
  image: string,
  logs: aws.cloudwatch.LogGroup,
  coordinator: $util.Input<string>,
): aws.ecs.TaskDefinition {
  return new aws.ecs.TaskDefinition("Evaluator", {
    family: `${queuePrefix()}-evaluator`,
    requiresCompatibilities: ["EC2"],
    networkMode: "bridge",
    executionRoleArn: createStartRole(image, logs).arn,
    containerDefinitions: $jsonStringify([
      {
        name: "evaluator",
        image,
        essential: true,
        memory: MEMORY_MIB,
        environment: [
          { name: "OUTERLOOP_COORDINATOR", value: coordinator },
          { name: "OUTERLOOP_EXECUTION_PROVIDER", value: "cuda" },
        ],
        secrets: [{ name: "OUTERLOOP_EVALUATOR_KEY", valueFrom: parameterArn(POOL_KEY) }],
        resourceRequirements: [{ type: "GPU", value: "1" }],
        logConfiguration: {
          logDriver: "awslogs",
          options: {
            "awslogs-group": logs.name,
            "awslogs-region": aws.getRegionOutput().region,
            "awslogs-stream-prefix": "evaluator",
          },
        },
      },
    ]),
  });
}

function createStartRole(image: string, logs: aws.cloudwatch.LogGroup): aws.iam.Role {
  const allow = (actions: string[], resource: $util.Input<string>) => ({
    Effect: "Allow",
    Action: actions,
    Resource: [resource],
  });
  const repository = ecrRepository(image);
  return new aws.iam.Role("EvaluatorStartRole", {
    assumeRolePolicy: trustOf("ecs-tasks.amazonaws.com"),
    inlinePolicies: [
      {
        name: "inline",
        policy: $jsonStringify({
          Version: "2012-10-17",
          Statement: [
            allow(["ssm:GetParameters"], parameterArn(POOL_KEY)),
            allow(["logs:CreateLogStream", "logs:PutLogEvents"], $interpolate`${logs.arn}:*`),
            ...(repository === undefined
              ? []
              : [
                  allow(
                    ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
                    repository,
                  ),
                  // The one star: this action is about no resource, and gives nothing that the others do not allow.
                  allow(["ecr:GetAuthorizationToken"], "*"),
                ]),
          ],
        }),
      },
    ],
  });
}

/** ARN of the repository in ECR that an image lies in; undefined: it lies elsewhere, and is pulled by anybody. */
function ecrRepository(image: string): $util.Output<string> | undefined {
  const found = /^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?\/([^:@]+)/.exec(image);
  if (found === null) return undefined;
  const [, account, region, name] = found;
  return $interpolate`arn:${aws.getPartitionOutput().partition}:ecr:${region}:${account}:repository/${name}`;
}
