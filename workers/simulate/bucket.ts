/**
 * What stands outside all functions: the bucket with its notifications, and the queues.
 *
 * @module
 */
import { createMemoryObjectStore } from "../../functions/storage/memory-object-store.ts";
import type { ObjectStore } from "../../functions/storage/object-store.ts";
import { parseUploadKey } from "../../schemas/index.ts";
import { createQueue, type SimulatedQueue } from "./queue.ts";
import { ORIGIN, type PreparedRun, TICKET_SECRET } from "./run.ts";
import type { Surroundings } from "./services.ts";

export interface Bucket {
  store: ObjectStore;
  ticks: SimulatedQueue;
  shards: SimulatedQueue;
  jobs: SimulatedQueue;
}

/** Who is told of everything that is done to the store, at once. */
export interface StoreObserver {
  /** An object was created or replaced. */
  onWrite?(key: string, bytes: Uint8Array): Promise<void>;
  /** Somebody wanted to create an object that stands already. */
  onRewrite?(key: string, standing: Uint8Array, wanted: Uint8Array): void;
  onDelete?(key: string): void;
}

/** The store with a run in it, unobserved. */
export async function createDisk(
  { scheduler }: Surroundings,
  { objects }: PreparedRun,
): Promise<ObjectStore> {
  const now = () => scheduler.nowMs;
  const disk = createMemoryObjectStore({ ticketSecret: TICKET_SECRET, baseUrl: ORIGIN, now });
  for (const [key, bytes] of objects) await disk.putIfAbsent(key, bytes);
  return disk;
}

/** The bucket of all functions. `onUpload`: the store's notification that an upload is there. */
export function createBucket(
  { seed, scheduler }: Surroundings,
  disk: ObjectStore,
  onUpload: (key: string) => void,
  observer: StoreObserver = {},
): Bucket {
  const queue = (name: string) => createQueue(name, seed, () => scheduler.nowMs);
  const store: ObjectStore = {
    ...disk,
    async putIfAbsent(key, bytes) {
      const put = await disk.putIfAbsent(key, bytes);
      if (put.outcome === "exists") observer.onRewrite?.(key, put.object.bytes, bytes);
      else {
        await observer.onWrite?.(key, bytes);
        if (parseUploadKey(key) !== null) onUpload(key);
      }
      return put;
    },
    async compareAndSwap(key, bytes, etag) {
      const swap = await disk.compareAndSwap(key, bytes, etag);
      if (swap.outcome === "swapped") await observer.onWrite?.(key, bytes);
      return swap;
    },
    async delete(key) {
      await disk.delete(key);
      observer.onDelete?.(key);
    },
  };
  return { store, ticks: queue("ticks"), shards: queue("shards"), jobs: queue("jobs") };
}
