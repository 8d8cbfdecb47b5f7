/**
 * A deployment, put together: what depends on what, in the order in which it can be made.
 *
 * @module
 */
import { createAlarms } from "./alarms.ts";
import { authorityOf, createGateway } from "./api.ts";
import { announceUploads, createBucket, protectBucket } from "./bucket.ts";
import { codecNote, type FunctionName } from "./bundle.ts";
import { createCdn } from "./cdn.ts";
import { createGpuPool } from "./evaluators.ts";
import { apiEnvironment, commonEnvironment, createFunction, type Environment } from "./functions.ts";
import { decideLimits, type Limits, shardLimits } from "./limits.ts";
import { nextCommands } from "./next-commands.ts";
import { createQueues, subscribeFunctions } from "./queues.ts";
import { readStage } from "./stage.ts";
import { createTicketRoles } from "./tickets.ts";

/** The gateway gives up after 30 s. */
const API_LIMITS: Limits = { memoryMB: 1_024, timeoutSeconds: 29 };
/** The next sweep does what one could not; this only bridges a failed start. */
const SWEEP_RETRIES = 2;

/** Declares everything and returns what a deployer reads at the end. */
export function build() {
  const stage = readStage($app.stage, process.env);
  const limits = { decide: decideLimits(stage.size), shards: shardLimits(stage.size) };

  const note = codecNote(stage.architecture);
  if (note !== null) console.warn(note);

  const bucket = createBucket();
  const queues = createQueues(limits);
  const subjects = { bucket, queues };
  const cdn = stage.cdn ? createCdn(bucket) : undefined;
  protectBucket(bucket, cdn);
  announceUploads(bucket, queues.shards.queue);

  const gateway = createGateway(stage);
  const common = commonEnvironment(subjects);
  const create = (name: FunctionName, limits: Limits, environment: Environment = {}) =>
    createFunction(name, stage, limits, subjects, { ...common, ...environment });
  const publicUrl = cdn && $interpolate`https://${cdn.domainName}`;
  const functions = {
    decide: create("decide", limits.decide),
    shards: create("shards", limits.shards),
    api: create("api", API_LIMITS, apiEnvironment(authorityOf(gateway), publicUrl)),
    sweep: create("sweep", limits.decide),
  };
  createTicketRoles(functions.api.nodes.role, subjects);

  subscribeFunctions(queues, functions, stage.shardConcurrency);
  gateway.route("$default", functions.api.arn);
  new sst.aws.CronV2("EveryMinute", {
    schedule: "rate(1 minute)",
    function: functions.sweep,
    retries: SWEEP_RETRIES,
  });
  createAlarms(queues, functions, gateway, stage.alarmEmail);
  if (stage.gpuPool !== undefined) createGpuPool(stage.gpuPool, stage.logRetention, gateway.url);

  return nextCommands(stage, bucket.bucket, gateway.url);
}
