/**
 * The queue contract's harness for a running SQS service: for every test a queue with its dead-letter queue.
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { createSqsClient } from "../aws-clients.ts";
import { passRealTime } from "../contract-harness.ts";
import type { QueueFactory } from "../queue.contract.ts";
import { createSqsQueue } from "../sqs.ts";
import type { TestService } from "./s3-harness.ts";

/** A factory for `describeQueueContract`. */
export function sqsHarness(service: TestService): QueueFactory {
  const { region = "us-east-1" } = service;
  return async ({ maxReceives }) => {
    const client = createSqsClient({ ...service, region });
    const name = `contract-${randomUUID()}`;
    const deadLetterUrl = await createQueue(client, `${name}-dead`, {});
    const { Attributes } = await client.send(
      new GetQueueAttributesCommand({ QueueUrl: deadLetterUrl, AttributeNames: ["QueueArn"] }),
    );
    const RedrivePolicy = JSON.stringify({
      deadLetterTargetArn: Attributes?.QueueArn,
      maxReceiveCount: maxReceives,
    });
    const queueUrl = await createQueue(client, name, { RedrivePolicy });
    return {
      queue: createSqsQueue({ ...service, region, queueUrl, deadLetterUrl }),
      passTime: passRealTime,
      close: async () => {
        for (const QueueUrl of [queueUrl, deadLetterUrl])
          await client.send(new DeleteQueueCommand({ QueueUrl }));
        client.destroy();
      },
    };
  };
}

async function createQueue(
  client: SQSClient,
  name: string,
  attributes: Record<string, string>,
): Promise<string> {
  const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: name, Attributes: attributes }));
  if (QueueUrl === undefined) throw new Error("expected the URL of the queue that was created");
  return QueueUrl;
}
