/**
 * What wakes a person: dead letters, queues that nobody empties, functions that fail or are held back, an API that
 * answers with errors, a sweep that no longer runs.
 *
 * Errors of a function are those that end it. What `decide` and `shards` cannot do with a message shows in the age of
 * its queue and among the dead letters; what the API cannot do it answers with a 5xx.
 *
 * @module
 */
import type { FunctionName } from "./bundle.ts";
import { titleOf } from "./names.ts";
import { type QueueName, queueNames } from "./permissions.ts";
import type { Queues } from "./queues.ts";

const PERIOD_SECONDS = 300;
/** A delayed tick may rightly be 15 minutes old; jobs wait for evaluators, which somebody may have to switch on. */
const OLDEST_SECONDS: Record<QueueName, number> = { ticks: 1_800, shards: 900, jobs: 3_600 };
/** A failure or two are retried and forgotten. */
const ERRORS_IN_PERIOD = 5;
/** The sweep runs five times in a period, give or take one, and is not retried. */
const SWEEP_ERRORS_IN_PERIOD = 3;

interface Watch {
  metric: [namespace: "AWS/SQS" | "AWS/Lambda" | "AWS/ApiGateway", name: string];
  dimensions: Record<string, $util.Input<string>>;
  statistic: "Maximum" | "Sum";
  /** Alarm at this value and above, or below it. */
  from: number;
  below?: boolean;
  description: string;
}

/** All alarms go to one topic, and from there to `email` if there is one. */
export function createAlarms(
  queues: Queues,
  functions: Record<FunctionName, sst.aws.Function>,
  gateway: sst.aws.ApiGatewayV2,
  email: string | undefined,
): void {
  const topic = new aws.sns.Topic("Alarms");
  if (email !== undefined) {
    new aws.sns.TopicSubscription("AlarmsByEmail", { topic: topic.arn, protocol: "email", endpoint: email });
  }
  for (const name of queueNames) {
    const { queue, dead } = queues[name];
    createAlarm(`${titleOf(name)}DeadAlarm`, topic, {
      metric: ["AWS/SQS", "ApproximateNumberOfMessagesVisible"],
      dimensions: { QueueName: dead.nodes.queue.name },
      statistic: "Maximum",
      from: 1,
      description: `Messages of ${name} failed for good: read them and their reason, then redrive or purge them.`,
    });
    createAlarm(`${titleOf(name)}AgeAlarm`, topic, {
      metric: ["AWS/SQS", "ApproximateAgeOfOldestMessage"],
      dimensions: { QueueName: queue.nodes.queue.name },
      statistic: "Maximum",
      from: OLDEST_SECONDS[name],
      description: `A message of ${name} has waited too long: does its consumer run, and keep up?`,
    });
  }
  for (const [name, { name: functionName }] of Object.entries(functions)) {
    const about = { dimensions: { FunctionName: functionName }, statistic: "Sum" } as const;
    createAlarm(`${titleOf(name)}ErrorsAlarm`, topic, {
      ...about,
      metric: ["AWS/Lambda", "Errors"],
      from: name === "sweep" ? SWEEP_ERRORS_IN_PERIOD : ERRORS_IN_PERIOD,
      description: `${name} fails again and again: its log says why.`,
    });
    createAlarm(`${titleOf(name)}ThrottlesAlarm`, topic, {
      ...about,
      metric: ["AWS/Lambda", "Throttles"],
      from: 1,
      description: `${name} is held back by the account's limit of concurrent functions: ask AWS for more.`,
    });
  }
  createAlarm("ApiAnswersAlarm", topic, {
    metric: ["AWS/ApiGateway", "5xx"],
    dimensions: { ApiId: gateway.nodes.api.id },
    statistic: "Sum",
    from: ERRORS_IN_PERIOD,
    description:
      "The API answers with errors of its own (5xx): the log of Api says why, or Lambda held it back.",
  });
  createAlarm("SweepSilentAlarm", topic, {
    metric: ["AWS/Lambda", "Invocations"],
    dimensions: { FunctionName: functions.sweep.name },
    statistic: "Sum",
    from: 1,
    below: true,
    description: "The sweep does not run: lost events and distant deadlines are nobody's business now.",
  });
}

function createAlarm(name: string, topic: aws.sns.Topic, watch: Watch): void {
  const { metric, dimensions, statistic, from, below = false, description } = watch;
  const [namespace, metricName] = metric;
  new aws.cloudwatch.MetricAlarm(name, {
    alarmDescription: description,
    namespace,
    metricName,
    dimensions,
    statistic,
    period: PERIOD_SECONDS,
    evaluationPeriods: 1,
    comparisonOperator: below ? "LessThanThreshold" : "GreaterThanOrEqualToThreshold",
    threshold: from,
    // A queue without traffic and a function without calls report nothing: good news, unless calls are what is missed.
    treatMissingData: below ? "breaching" : "notBreaching",
    alarmActions: [topic.arn],
    okActions: [topic.arn],
  });
}
