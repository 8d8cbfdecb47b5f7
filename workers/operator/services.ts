/**
 * The services of a deployment, opened by a person: they answer soon or are said to be away.
 *
 * @module
 */
import type { S3Client } from "@aws-sdk/client-s3";
import type { SQSClient } from "@aws-sdk/client-sqs";
import { createS3Client, createSqsClient } from "../../functions/storage/aws-clients.ts";
import { OuterloopError } from "../../schemas/errors.ts";
import type { ServerKind } from "./server-kind.ts";
import type { StorageOptions } from "./storage-options.ts";

/** A person waits for the answer: a service that restarts is given this long. */
const RETRY_SECONDS = 5;

export interface Services {
  s3: S3Client;
  sqs: SQSClient;
  server: ServerKind;
  close(): void;
}

/** Credentials are those that the SDK finds. */
export function openServices(
  options: StorageOptions,
  server: ServerKind,
  retrySeconds = RETRY_SECONDS,
): Services {
  const { endpoint, queueEndpoint, region, profile } = options;
  const s3 = createS3Client({ endpoint, region, profile, retrySeconds });
  const sqs = createSqsClient({ endpoint: queueEndpoint, region, retrySeconds });
  return {
    s3,
    sqs,
    server,
    close() {
      s3.destroy();
      sqs.destroy();
    },
  };
}

/** `invalid-option`: somebody forgot to say where the queues are. */
export function requireQueueService({ endpoint, queueEndpoint }: StorageOptions, server: ServerKind): void {
  if (server !== "minio" || queueEndpoint !== endpoint) return;
  throw new OuterloopError(
    "invalid-option",
    `${endpoint} is MinIO, which has no queues: name a service that speaks SQS with --queue URL`,
  );
}
