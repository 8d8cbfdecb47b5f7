/**
 * An object store in a folder, shared by any number of processes on one machine: the bucket of the embedded stack.
 *
 * `file-names.ts` says where an object lies, `durable-folder.ts` how it gets there whole, `file-versions.ts` how the one
 * mutable object is swapped, `file-listing.ts` how keys come out in order. No locks: every step that decides is one
 * system call, so a process may be killed between any two of them.
 *
 * @module
 */
import { type FileHandle, rm } from "node:fs/promises";
import { piecesOf, toStream } from "./byte-source.ts";
import { createCreatedEvents } from "./created-events.ts";
import { openDurableFolder } from "./durable-folder.ts";
import { type FoundObject, walk } from "./file-listing.ts";
import { placeOf } from "./file-names.ts";
import {
  deleteObject,
  etagOf,
  openCurrent,
  replaceCurrent,
  statCurrent,
  type VersionStat,
} from "./file-versions.ts";
import { checkKey, checkPrefix, fromByteString, toByteString } from "./object-keys.ts";
import type { EventedObjectStore, ObjectInfo, StoredObject } from "./object-store.ts";
import {
  checkPageLimit,
  checkRange,
  checkSize,
  MAX_PAGE,
  noSuchObject,
  wholeSeconds,
} from "./store-checks.ts";
import { createTickets, type TicketOptions } from "./tickets.ts";

export interface FileObjectStoreOptions extends TicketOptions {
  /** The folder; made when it is missing. One local POSIX filesystem with hard links. */
  root: string;
  /** The store's clock, milliseconds since 1970 (the system's). */
  now?: () => number;
}

/** Opens the store in `root`. Errors are those of the port, and `store-damaged` for a folder changed by hand. */
export function createFileObjectStore(options: FileObjectStoreOptions): EventedObjectStore {
  const now = options.now ?? Date.now;
  const tickets = createTickets({ ...options, now });
  const events = createCreatedEvents();
  const folder = openDurableFolder(options.root);
  const pathOf = (key: string) => {
    checkKey(key);
    return placeOf(folder.content, key).path;
  };

  const read = async (key: string, maxBytes?: number): Promise<StoredObject | null> => {
    const current = await openCurrent(pathOf(key));
    if (current === null) return null;
    try {
      const info = infoOf(key, current);
      checkSize(key, info.sizeBytes, maxBytes);
      return { ...info, bytes: await readBytes(current.file, 0, info.sizeBytes) };
    } finally {
      await current.file.close();
    }
  };

  const create = async (key: string, bytes: Uint8Array): Promise<ObjectInfo | null> => {
    const path = pathOf(key);
    const temporary = await folder.writeTemporary(bytes, now);
    try {
      const published = await statCurrent(temporary);
      if (!(await folder.publish(temporary, path)) || published === null) return null;
      events.publish(key);
      return infoOf(key, published);
    } finally {
      await rm(temporary, { force: true });
    }
  };

  const replace = async (key: string, bytes: Uint8Array, etag: string): Promise<ObjectInfo | null> => {
    const path = pathOf(key);
    const current = await statCurrent(path);
    if (current === null) throw noSuchObject(key);
    if (etagOf(current) !== etag) return null;
    const temporary = await folder.writeTemporary(bytes, now);
    try {
      const candidate = await statCurrent(temporary);
      if (candidate === null || !(await replaceCurrent(folder, path, current, temporary))) return null;
      events.publish(key);
      return infoOf(key, { ...current, version: current.version + 1, stat: candidate.stat });
    } finally {
      await rm(temporary, { force: true });
    }
  };

  return {
    now: async () => now(),

    async head(key) {
      const current = await statCurrent(pathOf(key));
      return current === null ? null : infoOf(key, current);
    },

    get: (key, { maxBytes } = {}) => read(key, maxBytes),

    async range(key, start, end) {
      const current = await openCurrent(pathOf(key));
      if (current === null) return null;
      try {
        checkRange(key, start, end, Number(current.stat.size));
        return await readBytes(current.file, start, end);
      } finally {
        await current.file.close();
      }
    },

    async stream(key, { start = 0, end } = {}) {
      const current = await openCurrent(pathOf(key));
      if (current === null) return null;
      const { file } = current;
      const info = infoOf(key, current);
      const to = end ?? info.sizeBytes;
      try {
        if (start !== 0 || end !== undefined) checkRange(key, start, to, info.sizeBytes);
      } catch (error) {
        await file.close();
        throw error;
      }
      const source = piecesOf(
        start,
        to,
        (from, until) => readBytes(file, from, until),
        () => file.close(),
      );
      return { info, bytes: toStream(source) };
    },

    async putIfAbsent(key, bytes) {
      for (;;) {
        // Looking first costs one open, and spares a handler that repeats itself the write of a whole object.
        const object = await read(key);
        if (object !== null) return { outcome: "exists", object };
        const info = await create(key, bytes);
        if (info !== null) return { outcome: "created", info };
        // Lost the race: read what stands. Should it be deleted already, the place is free again.
      }
    },

    async compareAndSwap(key, bytes, etag) {
      if (etag === null && (await statCurrent(pathOf(key))) !== null) return { outcome: "conflict" };
      const info = etag === null ? await create(key, bytes) : await replace(key, bytes, etag);
      return info === null ? { outcome: "conflict" } : { outcome: "swapped", info };
    },

    async list(prefix, { after, limit = MAX_PAGE } = {}) {
      checkPrefix(prefix);
      checkPageLimit(limit);
      const wanted = {
        prefix: toByteString(prefix),
        after: after === undefined ? null : toByteString(after),
      };
      const found: FoundObject[] = [];
      let next: string | null = null;
      for await (const object of walk(folder.content, wanted)) {
        if (found.length === limit) {
          next = fromByteString(found.at(-1)?.bytes ?? "");
          break;
        }
        found.push(object);
      }
      const infos = await Promise.all(found.map(describe));
      // Deleted since the walk: not there. The page is shorter then, and `next` says that it is not the last.
      return { objects: infos.filter((info) => info !== null), next };
    },

    delete: async (key) => deleteObject(folder, pathOf(key)),
    presignPut: async (key, pin) => tickets.put(key, pin),
    presignGet: async (key, pin) => tickets.get(key, pin),
    onCreated: events.subscribe,
  };
}

async function describe({ bytes, path }: FoundObject): Promise<ObjectInfo | null> {
  const current = await statCurrent(path);
  return current === null ? null : infoOf(fromByteString(bytes), current);
}

function infoOf(key: string, current: VersionStat): ObjectInfo {
  const { size, mtimeNs } = current.stat;
  const lastModifiedMs = wholeSeconds(Number(mtimeNs / 1_000_000n));
  return { key, sizeBytes: Number(size), etag: etagOf(current), lastModifiedMs };
}

/** Bytes [start, end) of an open file that never changes; a file shorter than its stat is the disk's failure. */
async function readBytes(file: FileHandle, start: number, end: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - start);
  let at = 0;
  while (at < bytes.length) {
    const { bytesRead } = await file.read(bytes, at, bytes.length - at, start + at);
    if (bytesRead === 0) throw new Error(`file ended at byte ${start + at}, expected ${end}`);
    at += bytesRead;
  }
  return bytes;
}
