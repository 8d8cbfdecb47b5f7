/**
 * An object store in memory, for tests and simulation. Every operation is one synchronous step, so it needs no
 * locks; bytes are copied in and out, so that nobody changes a stored object by accident.
 *
 * @module
 */
import { piecesOf, toStream } from "./byte-source.ts";
import { createCreatedEvents } from "./created-events.ts";
import { type ByteString, checkKey, checkPrefix, fromByteString, toByteString } from "./object-keys.ts";
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

/** `ticketSecret` and `baseUrl` as in {@link TicketOptions}; `now` in milliseconds (the system's clock). */
export interface MemoryObjectStoreOptions extends TicketOptions {
  now?: () => number;
}

/** Creates an empty store. Errors are those of the port. */
export function createMemoryObjectStore(options: MemoryObjectStoreOptions): EventedObjectStore {
  const now = options.now ?? Date.now;
  const tickets = createTickets({ ...options, now });
  const events = createCreatedEvents();
  const objects = new Map<string, StoredObject>();
  /** The keys of `objects`, sorted; a listing is a binary search and a slice. */
  const order: ByteString[] = [];
  let writes = 0;

  const write = (key: string, bytes: Uint8Array): ObjectInfo => {
    writes += 1;
    const info: ObjectInfo = {
      key,
      sizeBytes: bytes.byteLength,
      etag: `m${writes}`,
      lastModifiedMs: wholeSeconds(now()),
    };
    const place = toByteString(key);
    if (!objects.has(key)) order.splice(firstAtOrAfter(order, place), 0, place);
    objects.set(key, { ...info, bytes: new Uint8Array(bytes) });
    events.publish(key);
    return info;
  };

  return {
    now: async () => now(),

    async head(key) {
      checkKey(key);
      const object = objects.get(key);
      return object === undefined ? null : infoOf(object);
    },

    async get(key, { maxBytes } = {}) {
      checkKey(key);
      const object = objects.get(key);
      if (object === undefined) return null;
      checkSize(key, object.sizeBytes, maxBytes);
      return copyOf(object);
    },

    async range(key, start, end) {
      checkKey(key);
      const object = objects.get(key);
      if (object === undefined) return null;
      checkRange(key, start, end, object.sizeBytes);
      return object.bytes.slice(start, end);
    },

    async stream(key, { start = 0, end } = {}) {
      checkKey(key);
      const object = objects.get(key);
      if (object === undefined) return null;
      const { sizeBytes, bytes } = object;
      const to = end ?? sizeBytes;
      if (start !== 0 || end !== undefined) checkRange(key, start, to, sizeBytes);
      const source = piecesOf(start, to, async (from, until) => bytes.slice(from, until));
      return { info: infoOf(object), bytes: toStream(source) };
    },

    async putIfAbsent(key, bytes) {
      checkKey(key);
      const object = objects.get(key);
      if (object !== undefined) return { outcome: "exists", object: copyOf(object) };
      return { outcome: "created", info: write(key, bytes) };
    },

    async compareAndSwap(key, bytes, etag) {
      checkKey(key);
      const object = objects.get(key);
      if (object === undefined && etag !== null) throw noSuchObject(key);
      if ((object?.etag ?? null) !== etag) return { outcome: "conflict" };
      return { outcome: "swapped", info: write(key, bytes) };
    },

    async list(prefix, { after, limit = MAX_PAGE } = {}) {
      checkPrefix(prefix);
      checkPageLimit(limit);
      const from = toByteString(prefix);
      const behind = after === undefined ? "" : toByteString(after);
      const page: ObjectInfo[] = [];
      for (let at = firstAtOrAfter(order, behind > from ? behind : from); at < order.length; at += 1) {
        const place = order[at];
        if (place === undefined || !place.startsWith(from)) break;
        if (after !== undefined && place <= behind) continue;
        const object = objects.get(fromByteString(place));
        if (object === undefined) continue;
        if (page.length === limit) return { objects: page, next: page.at(-1)?.key ?? null };
        page.push(infoOf(object));
      }
      return { objects: page, next: null };
    },

    async delete(key) {
      checkKey(key);
      if (objects.delete(key)) order.splice(firstAtOrAfter(order, toByteString(key)), 1);
    },

    presignPut: async (key, pin) => tickets.put(key, pin),
    presignGet: async (key, pin) => tickets.get(key, pin),
    onCreated: events.subscribe,
  };
}

function infoOf({ bytes: _, ...info }: StoredObject): ObjectInfo {
  return info;
}

function copyOf(object: StoredObject): StoredObject {
  return { ...object, bytes: new Uint8Array(object.bytes) };
}

/** Index of the first entry that is not less than `place`. */
function firstAtOrAfter(order: readonly ByteString[], place: ByteString): number {
  let low = 0;
  let high = order.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((order[middle] ?? "") < place) low = middle + 1;
    else high = middle;
  }
  return low;
}
