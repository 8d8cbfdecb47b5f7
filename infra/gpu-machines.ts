/**
 * The machines of the GPU pool, and how many there are: none, or one for each evaluator.
 *
 * **What starts and ends them.** A group of machines has a wanted size, and two alarms set it: jobs wait, to all; no job
 * has been there for a while, to none. The two cannot hold at once. While an alarm holds, CloudWatch sets the size again
 * every minute, so an attempt that failed is made again, and one that is repeated changes nothing: nothing can pile up.
 * The group replaces a machine that dies or is taken away, until it is no longer wanted.
 *
 * **What it does not know** is whether evaluators do anything. Where jobs wait and nobody does them, the machines stay
 * and cost; the alarm on the age of the jobs queue tells a person after an hour.
 *
 * @module
 */
import { queueNameOf, queuePrefix } from "./names.ts";
import type { GpuPool } from "./stage.ts";
import { trustOf } from "./statements.ts";

/** A job that was given back is taken again within seconds, so three minutes of waiting are no accident. */
const WAITING_MINUTES = 3;
/** AWS's own image with the driver and Docker's runtime for it, the newest at the time of the deploy. */
const IMAGE_PARAMETER = "/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id";

/** Machines join the cluster and run what its service puts on them. */
export function createGpuMachines(pool: GpuPool, cluster: aws.ecs.Cluster): void {
  // In the account's default network; they reach out and nobody reaches in.
  const vpc = aws.ec2.getVpcOutput({ default: true });
  const machines = createGroup(pool, createTemplate(cluster, vpc.id), vpc.id);
  createSize("JobsWaiting", machines, pool.evaluators, {
    alarmDescription: "Jobs wait for evaluators. Starts the GPU pool.",
    metricQueries: [{ id: "visible", metric: messages("Visible"), returnData: true }],
    evaluationPeriods: WAITING_MINUTES,
    comparisonOperator: "GreaterThanOrEqualToThreshold",
    // SQS reports nothing of a queue that has been idle for hours.
    treatMissingData: "notBreaching",
  });
  createSize("JobsDone", machines, 0, {
    alarmDescription: "No job waits and nobody works on one. Ends the GPU pool.",
    metricQueries: [
      { id: "visible", metric: messages("Visible") },
      { id: "leased", metric: messages("NotVisible") },
      { id: "jobs", expression: "visible + leased", label: "jobs", returnData: true },
    ],
    evaluationPeriods: pool.idleMinutes,
    comparisonOperator: "LessThanThreshold",
    treatMissingData: "breaching",
  });
}

function createTemplate(cluster: aws.ecs.Cluster, vpcId: $util.Input<string>): aws.ec2.LaunchTemplate {
  const group = new aws.ec2.SecurityGroup("GpuNetwork", {
    description: "Evaluators: out only",
    vpcId,
    egress: [{ protocol: "-1", fromPort: 0, toPort: 0, cidrBlocks: ["0.0.0.0/0"] }],
  });
  const role = new aws.iam.Role("GpuMachineRole", {
    assumeRolePolicy: trustOf("ec2.amazonaws.com"),
    // AWS's own: join a cluster.
    managedPolicyArns: ["arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"],
  });
  const profile = new aws.iam.InstanceProfile("GpuMachineProfile", { role: role.name });
  // The last setting: logs are written with the role that starts the evaluator, not with the machine's.
  const start = $interpolate`#!/bin/bash
cat >>/etc/ecs/ecs.config <<END
ECS_CLUSTER=${cluster.name}
ECS_ENABLE_GPU_SUPPORT=true
ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE=true
END
`;
  return new aws.ec2.LaunchTemplate("GpuMachine", {
    imageId: aws.ssm.getParameterOutput({ name: IMAGE_PARAMETER }).value,
    iamInstanceProfile: { arn: profile.arn },
    vpcSecurityGroupIds: [group.id],
    // One hop does not reach into a container: the role is the machine's alone.
    metadataOptions: { httpTokens: "required", httpPutResponseHopLimit: 1 },
    userData: start.apply((text) => Buffer.from(text).toString("base64")),
  });
}

function createGroup(
  { evaluators, instanceTypes }: GpuPool,
  template: aws.ec2.LaunchTemplate,
  vpcId: $util.Input<string>,
): aws.autoscaling.Group {
  const subnets = aws.ec2.getSubnetsOutput({ filters: [{ name: "vpc-id", values: [vpcId] }] });
  return new aws.autoscaling.Group("GpuMachines", {
    vpcZoneIdentifiers: subnets.ids,
    // The wanted size is not set here: a deploy must not change it.
    minSize: 0,
    maxSize: evaluators,
    // A deploy does not wait for machines that may not be on offer.
    waitForCapacityTimeout: "0",
    mixedInstancesPolicy: {
      // A machine that is taken away costs a lease; its job comes again.
      instancesDistribution: {
        onDemandPercentageAboveBaseCapacity: 0,
        spotAllocationStrategy: "price-capacity-optimized",
      },
      launchTemplate: {
        launchTemplateSpecification: { launchTemplateId: template.id, version: "$Latest" },
        overrides: instanceTypes.map((instanceType) => ({ instanceType })),
      },
    },
    tags: [{ key: "Name", value: `${queuePrefix()}-evaluator`, propagateAtLaunch: true }],
  });
}

/** The group gets this size while the alarm holds: at once, and again every minute. */
function createSize(
  name: string,
  machines: aws.autoscaling.Group,
  size: number,
  alarm: Omit<aws.cloudwatch.MetricAlarmArgs, "threshold" | "alarmActions">,
): void {
  const policy = new aws.autoscaling.Policy(`${name}Size`, {
    autoscalingGroupName: machines.name,
    policyType: "SimpleScaling",
    adjustmentType: "ExactCapacity",
    scalingAdjustment: size,
    cooldown: 60,
  });
  new aws.cloudwatch.MetricAlarm(name, { ...alarm, threshold: 1, alarmActions: [policy.arn] });
}

function messages(state: "Visible" | "NotVisible") {
  return {
    namespace: "AWS/SQS",
    metricName: `ApproximateNumberOfMessages${state}`,
    dimensions: { QueueName: queueNameOf("jobs") },
    stat: "Maximum",
    period: 60,
  };
}
