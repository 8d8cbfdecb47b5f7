/**
 * Real MinIO and LocalStack, any number of each side by side, for tests, CI, benchmarks and people.
 *
 * Which keys fit where (tried): MinIO wants a secret of 8 letters or more. LocalStack checks presigned URLs against
 * the secret `test` whatever the key id, and nothing else. So MinIO's pair serves a bucket on MinIO with queues on
 * LocalStack, and a bucket on LocalStack needs LocalStack's own.
 *
 * @module
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { HOST, isFree } from "./free-port.ts";
import { type InstallOptions, installLocalStack, installMinio, installServices } from "./install.ts";
import { type Place, type Server, startServer } from "./server.ts";

export const REGION = "us-east-1";
const MINIO_KEYS = { accessKeyId: "outerloop", secretAccessKey: "outerloop-secret" };
const LOCALSTACK_KEYS = { accessKeyId: "test", secretAccessKey: "test" };

/**
 * `python -m localstack.runtime.main`, but for the folder of its large objects. That one is the same for all LocalStacks
 * of a machine, and one that deletes a bucket takes the folder of another's bucket of that name along.
 */
const LOCALSTACK_MAIN = `
import sys
from localstack.services.s3 import provider
provider.DEFAULT_S3_TMP_DIR = sys.argv[1]
from localstack.runtime.main import main
main()
`;

/** What MinIO calls its webhook in a bucket's notification settings. */
export const WEBHOOK_ARN = "arn:minio:sqs::OUTERLOOP:webhook";

export interface Service extends Server {
  accessKeyId: string;
  secretAccessKey: string;
}

export interface ServiceOptions extends InstallOptions {
  /** Chosen if absent. */
  port?: number | undefined;
  /** Kept when the service stops; a temporary one if absent, removed then. */
  folder?: string | undefined;
}

export interface MinioOptions extends ServiceOptions {
  /** Where it posts bucket events, with `Authorization: Bearer {token}`. Nobody needs to listen there yet. */
  webhook?: { url: string; token: string } | undefined;
  /** Port of its web page; none if absent. */
  consolePort?: number | undefined;
}

/** A bucket server that honours conditional writes, pins and keys. What it acknowledged survives a kill. */
export async function startMinio({ webhook, consolePort, ...options }: MinioOptions = {}): Promise<Service> {
  const program = await installMinio(options);
  const server = await startServer({
    ...options,
    name: "MinIO",
    command: ({ port, folder }) => ({
      program,
      args: [
        ...["server", join(folder, "data"), "--address", `${HOST}:${port}`],
        // Certificates that lie at home would turn it to https.
        ...["--certs-dir", join(folder, "certificates")],
        ...(consolePort === undefined ? [] : ["--console-address", `${HOST}:${consolePort}`]),
      ],
      env: { ...ownSettings(folder), ...minioSettings({ webhook, consolePort }) },
    }),
    health: { path: "/minio/health/ready", isReady: async () => true },
  });
  return { ...server, ...MINIO_KEYS };
}

/** Buckets, queues and notifications from one to the other. A kill takes them all. It knows no access control. */
export async function startLocalStack(options: ServiceOptions = {}): Promise<Service> {
  const program = await installLocalStack(options);
  // It knows no access control, so this machine alone may talk to it. It takes only IPv6 addresses to heart, though, and
  // opens every IPv4 one: this is 127.0.0.1 as an IPv6 address.
  const mapped = `::ffff:${HOST}`;
  const gateway = (await isFree(0, mapped)) ? `[${mapped}]` : HOST;
  const server = await startServer({
    ...options,
    name: "LocalStack",
    command: (place) => ({
      program,
      args: ["-c", LOCALSTACK_MAIN, join(place.folder, "objects")],
      env: {
        ...ownSettings(place.folder),
        ...localStackSettings(place),
        GATEWAY_LISTEN: `${gateway}:${place.port}`,
        FILESYSTEM_ROOT: join(place.folder, "files"),
      },
    }),
    health: {
      path: "/_localstack/health",
      async isReady(answer) {
        const { services } = (await answer.json()) as { services: Record<string, string> };
        return services.s3 === "running" && services.sqs === "running";
      },
    },
  });
  return { ...server, ...LOCALSTACK_KEYS };
}

/** Both at once; if one does not start, the other does not stay. */
export async function startBoth(
  minioOptions: MinioOptions,
  localStackOptions: ServiceOptions,
): Promise<{ minio: Service; localStack: Service; stop: () => Promise<void> }> {
  // First of all, so that one is not served while the other is still being built.
  await installServices(minioOptions);
  const starting = [startMinio(minioOptions), startLocalStack(localStackOptions)] as const;
  const settled = await Promise.allSettled(starting);
  const stop = async () => {
    await Promise.all(settled.map((one) => (one.status === "fulfilled" ? one.value.stop() : undefined)));
  };
  try {
    const [minio, localStack] = await Promise.all(starting);
    return { minio, localStack, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Nothing of this machine's settings reaches a server: no profile, no proxy, no key. */
function ownSettings(folder: string): Record<string, string> {
  const temporary = join(folder, "temporary");
  mkdirSync(temporary, { recursive: true });
  return { PATH: process.env.PATH ?? "", HOME: folder, TEMP: temporary };
}

/** MinIO's environment. */
export function minioSettings({
  webhook,
  consolePort,
}: Pick<MinioOptions, "webhook" | "consolePort">): Record<string, string> {
  return {
    MINIO_ROOT_USER: MINIO_KEYS.accessKeyId,
    MINIO_ROOT_PASSWORD: MINIO_KEYS.secretAccessKey,
    ...(consolePort === undefined && { MINIO_BROWSER: "off" }),
    ...(webhook !== undefined && {
      MINIO_NOTIFY_WEBHOOK_ENABLE_OUTERLOOP: "on",
      MINIO_NOTIFY_WEBHOOK_ENDPOINT_OUTERLOOP: webhook.url,
      MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_OUTERLOOP: webhook.token,
      // No MINIO_NOTIFY_WEBHOOK_QUEUE_DIR: with one, MinIO sends events in turns of three seconds. Without it they come
      // at once, and one that nobody hears is lost, which the sweep makes good.
    }),
  };
}

/** LocalStack's environment. */
export function localStackSettings({ port }: Pick<Place, "port">): Record<string, string> {
  return {
    SERVICES: "s3,sqs",
    EAGER_SERVICE_LOADING: "1",
    // Otherwise forged, tampered and expired URLs are accepted.
    S3_SKIP_SIGNATURE_VALIDATION: "0",
    // Otherwise the URLs of queues name a public host that nobody resolves offline.
    SQS_ENDPOINT_STRATEGY: "path",
    LOCALSTACK_HOST: `${HOST}:${port}`,
    // Nothing is sent to or fetched from outside.
    DISABLE_EVENTS: "1",
    SKIP_SSL_CERT_DOWNLOAD: "1",
    DNS_ADDRESS: "0",
  };
}
