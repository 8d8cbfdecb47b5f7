/**
 * What the checks work with.
 *
 * @module
 */
import { toUrlPath } from "../../../functions/storage/object-keys.ts";
import type { ObjectStore } from "../../../functions/storage/object-store.ts";
import type { Services } from "../services.ts";
import type { StorageOptions } from "../storage-options.ts";

export interface DoctorContext extends Services {
  storage: StorageOptions;
  /** The adapter that the product uses: its presigning and its conditional writes are what is examined. */
  store: ObjectStore;
  /** Different in every examination: all that it writes has it in its name. */
  id: string;
  coordinator: string | undefined;
  /** This machine's clock, milliseconds since 1970. */
  now: () => number;
  /** How long an event may take to arrive. */
  eventSeconds: number;
  signal: AbortSignal;
}

/** What to do about a setting: in AWS a deployment owns them, and provision keeps its hands off. */
export function whoSets({ endpoint }: StorageOptions, what: string): string {
  return endpoint === undefined
    ? `deploy again (npx sst deploy), which sets ${what}; outerloop provision, if that made the bucket`
    : `outerloop provision sets ${what}`;
}

/** Begins every key below `uploads/` that a doctor writes. */
export const DOCTORS_UPLOADS = "uploads/doctor-";

/**
 * Where the doctor writes. No key below these is one that a function would look at, and only `views/` is for what is
 * replaced: elsewhere a bucket's policy may refuse every write that is not create-once.
 */
export function scratch({ id }: Pick<DoctorContext, "id">) {
  return {
    sealed: `sealed/doctor-${id}/`,
    uploads: `${DOCTORS_UPLOADS}${id}/`,
    views: `views/doctor-${id}/`,
  };
}

/** Bytes that nobody else wrote: no two of them are equal. */
export function someBytes({ id }: Pick<DoctorContext, "id">, what: string): Uint8Array {
  return new TextEncoder().encode(`outerloop doctor ${id}: ${what}`);
}

/** Where an object is asked for without a signature; without a key, the bucket. */
export function urlOf({ storage }: Pick<DoctorContext, "storage">, key = ""): string {
  const { endpoint, bucket, region } = storage;
  return `${endpoint ?? `https://s3.${region}.amazonaws.com`}/${bucket}/${toUrlPath(key)}`;
}
