/**
 * Where a run of this machine keeps its objects and messages: in its data folder, or in an S3 bucket and SQS queues.
 *
 * @module
 */
import { join } from "node:path";
import type { ObjectAccess } from "../../functions/api/environment.ts";
import { createFileObjectStore } from "../../functions/storage/file-object-store.ts";
import { createFileQueue } from "../../functions/storage/file-queue.ts";
import { createMemoryQueue } from "../../functions/storage/memory-queue.ts";
import type { EventedObjectStore, ObjectStore } from "../../functions/storage/object-store.ts";
import type { Queue } from "../../functions/storage/queue.ts";
import { createS3ObjectStore } from "../../functions/storage/s3.ts";
import { openSqsQueues } from "../../functions/storage/sqs-queues.ts";
import { fromHex, MAX_RECEIVES } from "../../schemas/index.ts";
import { requireConditionalWrites } from "../operator/require-conditions.ts";
import { type CloudStorage, type CurrentRun, folders, s3OptionsOf } from "./run-folder.ts";

/** Everything of a coordinator that differs between a folder and the cloud's services. */
export interface Backend {
  store: ObjectStore;
  ticks: Queue;
  shards: Queue;
  jobs: Queue;
  objects: ObjectAccess;
  /** Tells of created objects, where the store cannot send messages by itself. */
  onCreated?: EventedObjectStore["onCreated"];
  /** Pause between two sweeps: looking costs nothing in a folder, requests elsewhere. */
  sweepMs: number;
  /**
   * How soon work is asked for again. A queue in memory forgets with its process; one on disk or at a service brings
   * back what a dead worker held, so asking again too soon only makes copies.
   */
  resendSeconds: { shards: number; jobs: number };
}

/** The bucket of a run. `baseUrl` is where the API serves objects of a folder. */
export function openStore(
  dataDir: string,
  { storage, ticketSecret }: Pick<CurrentRun, "storage" | "ticketSecret">,
  baseUrl = "http://localhost",
): ObjectStore {
  if (storage.kind === "s3") return createS3ObjectStore(s3OptionsOf(storage));
  return folderStore(dataDir, ticketSecret, baseUrl);
}

/** How people name the bucket of a run. */
export function storeName(dataDir: string, storage: CurrentRun["storage"]): string {
  if (storage.kind === "folder") return folders.bucket(dataDir);
  return storage.endpoint === undefined ? `s3://${storage.bucket}` : `${storage.endpoint}/${storage.bucket}`;
}

export async function openBackend(dataDir: string, current: CurrentRun, baseUrl: string): Promise<Backend> {
  if (current.storage.kind === "s3") return openCloudBackend(current.storage);
  const store = folderStore(dataDir, current.ticketSecret, baseUrl);
  return {
    store,
    ticks: createMemoryQueue({ maxReceives: MAX_RECEIVES }),
    shards: createMemoryQueue({ maxReceives: MAX_RECEIVES }),
    jobs: createFileQueue({
      root: join(folders.member(dataDir, current.run, "coordinator"), "jobs"),
      maxReceives: MAX_RECEIVES,
    }),
    objects: { kind: "served", ticketSecret: fromHex(current.ticketSecret) },
    onCreated: store.onCreated,
    sweepMs: 250,
    resendSeconds: { shards: 5, jobs: 60 },
  };
}

/** Typed errors: `no-such-queue` (`provision` makes the queues), `unconditional-store`. */
export async function openCloudBackend(storage: CloudStorage): Promise<Backend> {
  const { region, queueEndpoint, name } = storage;
  const queues = await openSqsQueues({ region, endpoint: queueEndpoint, name });
  const store = createS3ObjectStore(s3OptionsOf(storage));
  await requireConditionalWrites(store);
  return {
    store,
    ...queues,
    objects: { kind: "redirected", publicUrl: undefined },
    sweepMs: 2_000,
    resendSeconds: { shards: 10, jobs: 30 },
  };
}

function folderStore(dataDir: string, ticketSecret: string, baseUrl: string): EventedObjectStore {
  return createFileObjectStore({
    root: folders.bucket(dataDir),
    ticketSecret: fromHex(ticketSecret),
    baseUrl,
  });
}
