/**
 * The four functions: bundle, limits, environment, and a role of its own for each.
 *
 * Secrets of runs are not here. `outerloop run create` writes them to the parameter store, and functions read them
 * there: what a deploy sees is kept in its state file, where the seed chain must never be.
 *
 * @module
 */
import { copiedFiles, entries, type FunctionName, nodejs, runtime } from "./bundle.ts";
import type { Limits } from "./limits.ts";
import { secretsPrefix, ticketRoleArn, titleOf } from "./names.ts";
import type { Stage } from "./stage.ts";
import { type Subjects, statementsOf } from "./statements.ts";

export type Environment = Record<string, $util.Input<string>>;

/** What every function is told; `functions/triggers/lambda` reads it once. */
export function commonEnvironment({ bucket, queues }: Subjects): Environment {
  return {
    OUTERLOOP_BUCKET: bucket.bucket,
    OUTERLOOP_STORE_PROFILE: "s3",
    OUTERLOOP_TICKS_QUEUE: queues.ticks.queue.url,
    OUTERLOOP_SHARDS_QUEUE: queues.shards.queue.url,
    OUTERLOOP_JOBS_QUEUE: queues.jobs.queue.url,
    OUTERLOOP_TICKS_DEAD: queues.ticks.dead.url,
    OUTERLOOP_SHARDS_DEAD: queues.shards.dead.url,
    OUTERLOOP_JOBS_DEAD: queues.jobs.dead.url,
    OUTERLOOP_SECRETS: `ssm:${secretsPrefix()}`,
  };
}

/** What the API is told besides. `publicUrl`: a CDN in front of what everybody may read. */
export function apiEnvironment(
  authority: $util.Input<string>,
  publicUrl: $util.Input<string> | undefined,
): Environment {
  return {
    OUTERLOOP_AUTHORITY: authority,
    OUTERLOOP_UPLOAD_ROLE: ticketRoleArn("uploadTickets"),
    OUTERLOOP_READ_ROLE: ticketRoleArn("readTickets"),
    ...(publicUrl === undefined ? {} : { OUTERLOOP_PUBLIC_URL: publicUrl }),
  };
}

export function createFunction(
  name: FunctionName,
  stage: Stage,
  limits: Limits,
  subjects: Subjects,
  environment: Environment,
): sst.aws.Function {
  return new sst.aws.Function(titleOf(name), {
    handler: entries[name].replace(/\.ts$/, ".handler"),
    runtime,
    architecture: stage.architecture,
    nodejs,
    copyFiles: copiedFiles(name, stage.architecture),
    memory: `${limits.memoryMB} MB`,
    timeout: `${limits.timeoutSeconds} seconds`,
    logging: { retention: stage.logRetention, format: "json" },
    environment,
    permissions: statementsOf(name, subjects),
    // The sweep alone is called without anybody waiting. One that failed is not repeated: the next one comes anyway.
    ...(name === "sweep" ? { retries: 0 } : {}),
    // `sst dev` would put a bridge with wide permissions in the function's place.
    dev: false,
  });
}
