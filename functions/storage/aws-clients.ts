/**
 * SDK clients of S3 and SQS, and of services that speak their protocols, with the settings that every use of ours needs.
 *
 * @module
 */
import { S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import { SQSClient } from "@aws-sdk/client-sqs";
import { limitRequests } from "./request-slots.ts";
import { createRetryStrategy, type RetryOptions } from "./retry-strategy.ts";

/** Credentials or a provider that renews them. */
export type Credentials = NonNullable<S3ClientConfig["credentials"]>;

/** What the store behind the S3 protocol is. `r2`: Cloudflare R2, which has one region and lacks a few of S3's features. */
export type StoreProfile = "s3" | "r2";

export interface ServiceOptions {
  /** `http://127.0.0.1:9000`; absent: AWS. */
  endpoint?: string | undefined;
  region: string;
  /** Absent: the SDK's default chain (environment, profile, role). */
  credentials?: Credentials | undefined;
  /** How long requests are repeated when the service does not answer or asks to slow down (20). */
  retrySeconds?: number | undefined;
  /** Clock, sleep and dice of those repetitions (the system's). */
  retryTimes?: Omit<RetryOptions, "retrySeconds"> | undefined;
}

const DEFAULT_RETRY_SECONDS = 20;
const CONNECTION_TIMEOUT_MS = 5000;
/** A whole request, from the first byte sent to the first byte of the answer: 64 MiB over a slow line. */
const S3_REQUEST_TIMEOUT_MS = 60_000;
/** Nothing sent and nothing received for so long: the connection is dead. */
const S3_IDLE_TIMEOUT_MS = 10_000;
/** Of an SQS request, the wait of a long poll not counted. */
export const SQS_REQUEST_TIMEOUT_MS = 10_000;

/** A client of S3. With an endpoint, keys are addressed by path: hosts like `bucket.127.0.0.1` do not resolve. */
export function createS3Client(options: ServiceOptions & { profile?: StoreProfile | undefined }): S3Client {
  const { endpoint, profile = "s3" } = options;
  const client = new S3Client({
    ...common(options),
    region: profile === "r2" ? "auto" : options.region,
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    // We send and verify SHA-256 ourselves. The SDK's default, a CRC32, would be signed into presigned URLs as the
    // checksum of an empty body.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: {
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      requestTimeout: S3_REQUEST_TIMEOUT_MS,
      socketTimeout: S3_IDLE_TIMEOUT_MS,
      throwOnRequestTimeout: true,
    },
  });
  return limitRequests(client);
}

/** A client of SQS. With an endpoint, the host in a queue's URL is ignored: LocalStack names one that does not resolve. */
export function createSqsClient(options: ServiceOptions): SQSClient {
  const { endpoint, region } = options;
  const client = new SQSClient({
    ...common(options),
    region,
    ...(endpoint === undefined ? {} : { endpoint }),
    requestHandler: {
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      requestTimeout: SQS_REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
    },
  });
  return limitRequests(client);
}

/** Sockets are kept alive by the SDK itself, at most 50 to a host. */
function common({ credentials, retrySeconds = DEFAULT_RETRY_SECONDS, retryTimes }: ServiceOptions) {
  return {
    ...(credentials === undefined ? {} : { credentials }),
    retryStrategy: createRetryStrategy({ retrySeconds, ...retryTimes }),
  };
}
