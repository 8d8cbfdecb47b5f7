/**
 * The three queues of a deployment at a service that speaks SQS's protocol, found by their names.
 *
 * @module
 */
import { GetQueueUrlCommand, QueueDoesNotExist, type SQSClient } from "@aws-sdk/client-sqs";
import { OuterloopError } from "../../schemas/errors.ts";
import { createSqsClient, type ServiceOptions } from "./aws-clients.ts";
import type { Queue } from "./queue.ts";
import { serviceError } from "./service-errors.ts";
import { createSqsQueue } from "./sqs.ts";

/** What each queue carries; its dead letters lie in the queue of the same name with `-dead` behind it. */
export const QUEUE_KINDS = ["ticks", "shards", "jobs"] as const;
export type QueueKind = (typeof QUEUE_KINDS)[number];

/** `outerloop-ticks`, and `outerloop-ticks-dead` for its dead letters. */
export function queueName(name: string, kind: QueueKind): string {
  return `${name}-${kind}`;
}
export function deadLetterName(name: string, kind: QueueKind): string {
  return `${queueName(name, kind)}-dead`;
}

/** Opens the queues whose names begin with `name`. Typed errors: `no-such-queue` (not made yet), those of `sqs.ts`. */
export async function openSqsQueues(
  options: Omit<ServiceOptions, "credentials"> & { name: string },
): Promise<Record<QueueKind, Queue>> {
  const client = createSqsClient(options);
  try {
    const opened = await Promise.all(
      QUEUE_KINDS.map(async (kind) => {
        const [queueUrl, deadLetterUrl] = await Promise.all([
          urlOf(client, queueName(options.name, kind), options.endpoint),
          urlOf(client, deadLetterName(options.name, kind), options.endpoint),
        ]);
        return [kind, createSqsQueue({ ...options, queueUrl, deadLetterUrl })] as const;
      }),
    );
    return Object.fromEntries(opened) as Record<QueueKind, Queue>;
  } finally {
    client.destroy();
  }
}

async function urlOf(client: SQSClient, name: string, endpoint = "AWS"): Promise<string> {
  try {
    const { QueueUrl } = await client.send(new GetQueueUrlCommand({ QueueName: name }));
    if (QueueUrl !== undefined) return QueueUrl;
  } catch (error) {
    if (!(error instanceof QueueDoesNotExist)) {
      throw serviceError(error, { service: "queue", operation: "GetQueueUrl", about: name, endpoint });
    }
  }
  throw new OuterloopError("no-such-queue", `there is no queue ${name}: \`outerloop provision\` makes it`, {
    name,
  });
}
