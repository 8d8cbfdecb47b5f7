/**
 * The object store contract's harness for a running S3 service: a bucket of its own, and its notifications.
 *
 * @module
 */
import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import {
  CreateBucketCommand,
  PutBucketNotificationConfigurationCommand,
  type QueueConfiguration,
} from "@aws-sdk/client-s3";
import { CreateQueueCommand, DeleteQueueCommand, GetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import { serve } from "@hono/node-server";
import { createS3Client, createSqsClient } from "../aws-clients.ts";
import { passRealTime } from "../contract-harness.ts";
import { createMemoryQueue } from "../memory-queue.ts";
import { notificationRoutes } from "../notification-routes.ts";
import type { ObjectStoreHarness } from "../object-store.contract.ts";
import type { CreatedEvent } from "../object-store.ts";
import type { Queue } from "../queue.ts";
import { createS3ObjectStore } from "../s3.ts";
import { keysOfNotification } from "../s3-events.ts";
import { createSqsQueue } from "../sqs.ts";

/** A service, and a pair of keys that may do everything there. */
export interface TestService {
  endpoint: string;
  credentials: { accessKeyId: string; secretAccessKey: string };
  region?: string;
}

/** How the service tells of created objects: to an SQS queue, or (MinIO) to a webhook of ours at the port it was started with. */
export type EventsOf =
  | { kind: "sqs"; service: TestService }
  | { kind: "webhook"; arn: string; port: number; token: string };

/** Keys under which notifications are sent: those of the contract. */
const PREFIX = "contract/";

/** A factory for `describeObjectStoreContract` and `describeTicketContract`. */
export function s3Harness(service: TestService, events: EventsOf): () => Promise<ObjectStoreHarness> {
  return async () => {
    const { region = "us-east-1" } = service;
    const bucket = `contract-${randomBytes(8).toString("hex")}`;
    const client = createS3Client({ ...service, region });
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    const source = events.kind === "sqs" ? await sqsEvents(events.service) : await webhookEvents(events);
    await client.send(
      new PutBucketNotificationConfigurationCommand({
        Bucket: bucket,
        NotificationConfiguration: { QueueConfigurations: [toQueue(source.arn)] },
      }),
    );
    client.destroy();
    const listeners = listenersOf(source.queue);
    return {
      store: createS3ObjectStore({ ...service, region, bucket }),
      passTime: passRealTime,
      listen: listeners.listen,
      close: async () => {
        await listeners.close();
        await source.close();
      },
    };
  };
}

function toQueue(arn: string): QueueConfiguration {
  return {
    QueueArn: arn,
    Events: ["s3:ObjectCreated:*"],
    Filter: { Key: { FilterRules: [{ Name: "prefix", Value: PREFIX }] } },
  };
}

interface EventSource {
  arn: string;
  queue: Queue;
  close: () => Promise<void>;
}

async function sqsEvents(service: TestService): Promise<EventSource> {
  const { region = "us-east-1" } = service;
  const client = createSqsClient({ ...service, region });
  const { QueueUrl: queueUrl = "" } = await client.send(
    new CreateQueueCommand({ QueueName: `events-${randomUUID()}` }),
  );
  const { Attributes } = await client.send(
    new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: ["QueueArn"] }),
  );
  return {
    arn: Attributes?.QueueArn ?? "",
    queue: createSqsQueue({ ...service, region, queueUrl, deadLetterUrl: queueUrl }),
    close: async () => {
      await client.send(new DeleteQueueCommand({ QueueUrl: queueUrl }));
      client.destroy();
    },
  };
}

async function webhookEvents(events: { arn: string; port: number; token: string }): Promise<EventSource> {
  const queue = createMemoryQueue({ maxReceives: 3 });
  const { fetch } = notificationRoutes({ queue, token: events.token });
  const server = serve({ fetch, port: events.port, hostname: "127.0.0.1" });
  await once(server, "listening");
  return {
    arn: events.arn,
    queue,
    close: async () => {
      // MinIO keeps its connection open.
      if ("closeAllConnections" in server) server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Reads notifications from a queue, and tells those who listen. */
function listenersOf(queue: Queue) {
  const listening = new Set<{ prefix: string; listener: (event: CreatedEvent) => void }>();
  let open = true;
  const loop = async () => {
    while (open) {
      for (const message of await queue.receive({ max: 10, leaseSeconds: 30, waitSeconds: 1 })) {
        const keys = keysOfNotification(JSON.parse(message.body));
        if (keys === null) throw new Error(`expected a notification, got ${message.body}`);
        for (const key of keys) {
          for (const { prefix, listener } of listening) if (key.startsWith(prefix)) listener({ key });
        }
        await queue.ack(message);
      }
    }
  };
  const looping = loop();
  // Told at the end, by `close`.
  looping.catch(() => {});
  return {
    listen(prefix: string, listener: (event: CreatedEvent) => void) {
      const entry = { prefix, listener };
      listening.add(entry);
      return () => void listening.delete(entry);
    },
    async close() {
      open = false;
      await looping;
    },
  };
}
