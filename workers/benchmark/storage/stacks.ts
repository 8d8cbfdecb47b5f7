/**
 * The stacks that are compared, started for one benchmark: a folder behind the embedded API, a bucket on MinIO with
 * queues on LocalStack, and both on LocalStack.
 *
 * @module
 */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { createS3Client } from "../../../functions/storage/aws-clients.ts";
import { createFileObjectStore } from "../../../functions/storage/file-object-store.ts";
import type { ObjectStore } from "../../../functions/storage/object-store.ts";
import { createS3ObjectStore } from "../../../functions/storage/s3.ts";
import { freePort, HOST } from "../../../test/services/free-port.ts";
import { REGION, type Service, startBoth } from "../../../test/services/services.ts";
import type { StackName } from "../result.ts";
import type { ServedFolder } from "./object-server.ts";

const BUCKET = "benchmark";
const TICKET_SECRET = "a secret of one benchmark";
const EVENTS_TOKEN = "token-of-one-benchmark";

export interface Stack {
  name: StackName;
  store: ObjectStore;
  /** Where its tickets lead. */
  origin: string;
  /** What a coordinator is started with to keep a run there. */
  coordinator: { args: string[]; env: NodeJS.ProcessEnv };
}

export interface Stacks {
  all: Stack[];
  minio: Service;
  localStack: Service;
  /** Where MinIO posts its events: whoever coordinates a run in its bucket listens there, one at a time. */
  events: { port: number; token: string };
  stop(): Promise<void>;
}

/** Installs what is missing and starts everything. Typed errors of the services' installation and start. */
export async function startStacks(signal: AbortSignal): Promise<Stacks> {
  const cleanUp: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const work of cleanUp.splice(0).reverse()) await work();
  };
  try {
    const port = await freePort();
    const webhook = { url: `http://${HOST}:${port}/events`, token: EVENTS_TOKEN };
    const { minio, localStack, stop: stopServices } = await startBoth({ signal, webhook }, { signal });
    cleanUp.push(stopServices);
    const folder = await mkdtemp(join(tmpdir(), "outerloop-benchmark-"));
    cleanUp.push(() => rm(folder, { recursive: true, force: true }));
    const served: ServedFolder = { root: folder, port: await freePort(), ticketSecret: TICKET_SECRET };
    cleanUp.push(await startObjectServer(served));
    signal.throwIfAborted();
    return {
      all: [
        fileStack(served),
        await serviceStack("minio+localstack", minio, localStack, port),
        await serviceStack("localstack", localStack, localStack, await freePort()),
      ],
      minio,
      localStack,
      events: { port, token: EVENTS_TOKEN },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A thread of its own, as a coordinator is a process of its own: it must not wait for who asks it. */
async function startObjectServer(served: ServedFolder): Promise<() => Promise<unknown>> {
  const worker = new Worker(new URL("./object-server.ts", import.meta.url), { workerData: served });
  await once(worker, "message");
  return () => worker.terminate();
}

function fileStack({ root, port, ticketSecret }: ServedFolder): Stack {
  const origin = `http://${HOST}:${port}`;
  return {
    name: "file",
    store: createFileObjectStore({ root, ticketSecret, baseUrl: origin }),
    origin,
    coordinator: { args: [], env: process.env },
  };
}

async function serviceStack(
  name: StackName,
  bucket: Service,
  queues: Service,
  coordinatorPort: number,
): Promise<Stack> {
  const { endpoint, accessKeyId, secretAccessKey } = bucket;
  const options = { endpoint, region: REGION, credentials: { accessKeyId, secretAccessKey } };
  const client = createS3Client(options);
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  client.destroy();
  return {
    name,
    store: createS3ObjectStore({ ...options, bucket: BUCKET }),
    origin: endpoint,
    coordinator: {
      args: [
        ...["--store", "s3", "--endpoint", endpoint, "--queue", queues.endpoint],
        ...["--bucket", `${BUCKET}-run`, "--port", String(coordinatorPort)],
      ],
      env: environmentOf(bucket),
    },
  };
}

/** Credentials lie in the environment, as for any AWS tool. */
export function environmentOf({ accessKeyId, secretAccessKey }: Service): NodeJS.ProcessEnv {
  return {
    ...process.env,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_REGION: REGION,
    OUTERLOOP_EVENTS_TOKEN: EVENTS_TOKEN,
  };
}
