/**
 * An optional pool of GPU evaluators: AWS Batch on EC2, from nothing to a few machines and back.
 *
 * **What starts it.** An alarm says "jobs wait and nobody works on them": messages are visible and none is leased. Its
 * change to ALARM is an event, and a rule on that event submits one Batch job, or an array of them. Batch starts
 * machines for what is submitted (`minVcpus` is 0) and ends them when nothing runs. No function, no schedule.
 *
 * **Why it neither piles up nor sticks.** An evaluator that works holds a lease, so the alarm goes back to OK and more
 * jobs do not start more evaluators. When evaluators end or die while jobs wait, the leases end too and the alarm fires
 * again. Evaluators end by the timeout of their Batch job; until then an idle one costs its machine.
 *
 * **What a container holds.** Its own signing key, from the parameter store, and the coordinator's URL: it talks HTTPS
 * like any box. It has no role of its own. What it could reach is the role of its machine, which may pull images and
 * write logs, and knows neither bucket nor queues.
 *
 * None of this has been run on a GPU or in an account; see `workers/evaluator/Dockerfile`.
 *
 * @module
 */
import { parameterArn, queueNameOf, queuePrefix } from "./names.ts";
import type { GpuPool } from "./stage.ts";

/** Of one evaluator; the smallest machines with a GPU have just that, and a little more memory for their agent. */
const EVALUATOR = { vcpus: 4, memoryMiB: 12_288, gpus: 1 };
/** A leased job is given back within two minutes, so three of silence are no accident. */
const WAITING_MINUTES = 3;
const LOG_DAYS = 30;
/** The operator writes it: 64 hex digits, the seed of a key of the run's evaluators. */
const KEY_PARAMETER = "evaluator/key";

const trust = (service: string) =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { Service: service }, Action: "sts:AssumeRole" }],
  });

export function createGpuPool(pool: GpuPool, coordinator: $util.Input<string>): void {
  const queue = createJobQueue(pool);
  const job = createEvaluatorJob(pool, coordinator);
  const waiting = createWaitingAlarm();
  const role = new aws.iam.Role("GpuStarterRole", {
    assumeRolePolicy: trust("events.amazonaws.com"),
    inlinePolicies: [{ name: "inline", policy: allow(["batch:SubmitJob"], [queue.arn, job.arn]) }],
  });
  const rule = new aws.cloudwatch.EventRule("GpuStarter", {
    description: "Jobs wait for evaluators and nobody works on them",
    eventPattern: $jsonStringify({
      source: ["aws.cloudwatch"],
      "detail-type": ["CloudWatch Alarm State Change"],
      resources: [waiting.arn],
      detail: { state: { value: ["ALARM"] } },
    }),
  });
  new aws.cloudwatch.EventTarget("GpuStarterTarget", {
    rule: rule.name,
    arn: queue.arn,
    roleArn: role.arn,
    batchTarget: {
      jobDefinition: job.arn,
      jobName: `${queuePrefix()}-evaluator`,
      // An array has at least two members.
      ...(pool.evaluators > 1 ? { arraySize: pool.evaluators } : {}),
    },
  });
}

/** Machines in the account's default network; they reach out and nobody reaches in. */
function createJobQueue({ evaluators, instanceTypes }: GpuPool): aws.batch.JobQueue {
  const vpc = aws.ec2.getVpcOutput({ default: true });
  const subnets = aws.ec2.getSubnetsOutput({ filters: [{ name: "vpc-id", values: [vpc.id] }] });
  const group = new aws.ec2.SecurityGroup("GpuNetwork", {
    description: "Evaluators: out only",
    vpcId: vpc.id,
    egress: [{ protocol: "-1", fromPort: 0, toPort: 0, cidrBlocks: ["0.0.0.0/0"] }],
  });
  const role = new aws.iam.Role("GpuMachineRole", {
    assumeRolePolicy: trust("ec2.amazonaws.com"),
    // AWS's own: join the cluster, pull images, write logs.
    managedPolicyArns: ["arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"],
  });
  const profile = new aws.iam.InstanceProfile("GpuMachineProfile", { role: role.name });
  const environment = new aws.batch.ComputeEnvironment("GpuPool", {
    type: "MANAGED",
    computeResources: {
      // A machine that is taken away costs a lease; its job comes again.
      type: "SPOT",
      allocationStrategy: "SPOT_PRICE_CAPACITY_OPTIMIZED",
      minVcpus: 0,
      maxVcpus: EVALUATOR.vcpus * evaluators,
      instanceTypes,
      ec2Configurations: [{ imageType: "ECS_AL2023_NVIDIA" }],
      instanceRole: profile.arn,
      securityGroupIds: [group.id],
      subnets: subnets.ids,
    },
  });
  return new aws.batch.JobQueue("GpuJobs", {
    state: "ENABLED",
    priority: 1,
    computeEnvironmentOrders: [{ order: 1, computeEnvironment: environment.arn }],
  });
}

function createEvaluatorJob(
  { image, sessionMinutes }: GpuPool,
  coordinator: $util.Input<string>,
): aws.batch.JobDefinition {
  const logs = new aws.cloudwatch.LogGroup("EvaluatorLog", { retentionInDays: LOG_DAYS });
  // The agent on the machine reads the key with this role, before the container starts.
  const role = new aws.iam.Role("EvaluatorKeyRole", {
    assumeRolePolicy: trust("ecs-tasks.amazonaws.com"),
    inlinePolicies: [{ name: "inline", policy: allow(["ssm:GetParameters"], [parameterArn(KEY_PARAMETER)]) }],
  });
  return new aws.batch.JobDefinition("Evaluator", {
    type: "container",
    platformCapabilities: ["EC2"],
    timeout: { attemptDurationSeconds: 60 * sessionMinutes },
    retryStrategy: { attempts: 3 },
    containerProperties: $jsonStringify({
      image,
      executionRoleArn: role.arn,
      environment: [
        { name: "OUTERLOOP_COORDINATOR", value: coordinator },
        { name: "OUTERLOOP_EXECUTION_PROVIDER", value: "cuda" },
      ],
      secrets: [{ name: "OUTERLOOP_EVALUATOR_KEY", valueFrom: parameterArn(KEY_PARAMETER) }],
      resourceRequirements: [
        { type: "VCPU", value: String(EVALUATOR.vcpus) },
        { type: "MEMORY", value: String(EVALUATOR.memoryMiB) },
        { type: "GPU", value: String(EVALUATOR.gpus) },
      ],
      logConfiguration: {
        logDriver: "awslogs",
        options: { "awslogs-group": logs.name, "awslogs-stream-prefix": "evaluator" },
      },
    }),
  });
}

/** Its state is what counts, so it has no action of its own. */
function createWaitingAlarm(): aws.cloudwatch.MetricAlarm {
  const messages = (id: string, metricName: string) => ({
    id,
    metric: {
      namespace: "AWS/SQS",
      metricName,
      dimensions: { QueueName: queueNameOf("jobs") },
      stat: "Maximum",
      period: 60,
    },
  });
  return new aws.cloudwatch.MetricAlarm("JobsWaiting", {
    alarmDescription: "Jobs wait for evaluators and nobody works on them. Starts the GPU pool.",
    metricQueries: [
      messages("visible", "ApproximateNumberOfMessagesVisible"),
      messages("leased", "ApproximateNumberOfMessagesNotVisible"),
      {
        id: "waiting",
        expression: "IF(visible > 0 AND leased == 0, 1, 0)",
        label: "jobs wait, nobody works",
        returnData: true,
      },
    ],
    evaluationPeriods: WAITING_MINUTES,
    comparisonOperator: "GreaterThanOrEqualToThreshold",
    threshold: 1,
    // SQS reports nothing of a queue that has been idle for hours.
    treatMissingData: "notBreaching",
  });
}

function allow(actions: string[], resources: $util.Input<string>[]): $util.Output<string> {
  return $jsonStringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Action: actions, Resource: resources }],
  });
}
