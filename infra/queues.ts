/**
 * The three queues and their dead letters, and who is called with their messages.
 *
 * @module
 */
import { MAX_RECEIVES } from "../schemas/messages.ts";
import type { Limits } from "./limits.ts";
import { queueNameOf, titleOf } from "./names.ts";
import type { QueueName } from "./permissions.ts";

export interface QueuePair {
  queue: sst.aws.Queue;
  dead: sst.aws.Queue;
}
export type Queues = Record<QueueName, QueuePair>;

/** A message must not come again while its function works and Lambda retries: AWS asks for six times its limit. */
const VISIBILITY_FACTOR = 6;
/** Every lease of a job names its own time; this one counts where none is named. */
const JOB_SECONDS = 60;
const DEAD_LETTER_SECONDS = 14 * 86_400;

export function createQueues(limits: { decide: Limits; shards: Limits }): Queues {
  return {
    ticks: createPair("ticks", VISIBILITY_FACTOR * limits.decide.timeoutSeconds),
    shards: createPair("shards", VISIBILITY_FACTOR * limits.shards.timeoutSeconds),
    jobs: createPair("jobs", JOB_SECONDS),
  };
}

function createPair(name: QueueName, visibilitySeconds: number): QueuePair {
  const dead = new sst.aws.Queue(`${titleOf(name)}Dead`, {
    transform: {
      queue: {
        name: `${queueNameOf(name)}-dead`,
        messageRetentionSeconds: DEAD_LETTER_SECONDS,
        sqsManagedSseEnabled: true,
      },
    },
  });
  const queue = new sst.aws.Queue(titleOf(name), {
    visibilityTimeout: `${visibilitySeconds} seconds`,
    dlq: { queue: dead.arn, retry: MAX_RECEIVES },
    transform: { queue: { name: queueNameOf(name), sqsManagedSseEnabled: true } },
  });
  return { queue, dead };
}

/** Ticks come in batches, so that many of one run share a decision; shards come one by one, many at once. */
export function subscribeFunctions(
  { ticks, shards }: Queues,
  functions: { decide: sst.aws.Function; shards: sst.aws.Function },
  shardConcurrency: number,
): void {
  ticks.queue.subscribe(functions.decide.arn, {
    batch: { size: 100, window: "1 second", partialResponses: true },
    // The fewest that AWS allows. Where two decide at once, create-once settles it.
    transform: { eventSourceMapping: { scalingConfig: { maximumConcurrency: 2 } } },
  });
  shards.queue.subscribe(functions.shards.arn, {
    batch: { size: 1, window: "0 seconds", partialResponses: true },
    transform: { eventSourceMapping: { scalingConfig: { maximumConcurrency: shardConcurrency } } },
  });
}
