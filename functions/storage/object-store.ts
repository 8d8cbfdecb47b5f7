/**
 * The port to the bucket. Semantics are S3's, because S3 is the real thing: conditional writes, listings in key
 * order, whole-second `LastModified`, at-least-once creation events, presigned requests. Every adapter passes
 * `object-store.contract.ts`.
 *
 * @module
 */

/** What a store knows of an object without its bytes. */
export interface ObjectInfo {
  key: string;
  sizeBytes: number;
  /** Opaque; changes whenever the bytes change. */
  etag: string;
  /** The store's clock, in whole seconds (as milliseconds since 1970): lateness cannot depend on less. */
  lastModifiedMs: number;
}

export interface StoredObject extends ObjectInfo {
  bytes: Uint8Array;
}

/** What a write says of the object: everything but its time, which S3 tells only to those who ask. */
export type WrittenInfo = Omit<ObjectInfo, "lastModifiedMs">;

/** An object on its way: read the stream to its end or cancel it, it may hold a file or a connection. */
export interface StreamedObject {
  info: ObjectInfo;
  bytes: ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** Outcome of a create-once. `exists` carries what stands there, read back, so that the loser can adopt it. */
export type PutOutcome =
  | { outcome: "created"; info: WrittenInfo }
  | { outcome: "exists"; object: StoredObject };

/** Outcome of a compare-and-swap. `conflict`: the object changed (or appeared) since it was read. */
export type SwapOutcome = { outcome: "swapped"; info: WrittenInfo } | { outcome: "conflict" };

export interface ListPage {
  /** Ascending by the bytes of the key. */
  objects: ObjectInfo[];
  /** Pass as `after` for the next page; null: this was the last one. */
  next: string | null;
}

/** A presigned request: send exactly this method, URL and these headers. */
export interface Ticket {
  method: "PUT" | "GET";
  url: string;
  headers: Record<string, string>;
  expiresAtMs: number;
}

/** When a download ends: at a moment of the store's clock, or so long after it is issued. */
export type GetPin = { expiresAtMs: number } | { lifeSeconds: number };

/** A hint that an object was created or replaced. May come late, twice, out of order or never. */
export interface CreatedEvent {
  key: string;
}

/**
 * Every operation throws `invalid-key` for what no adapter can hold or no client can ask for: an empty key or segment,
 * a slash at an end, a segment `.` or `..`, control characters, broken Unicode, more than 1024 bytes.
 */
export interface ObjectStore {
  /** The store's own clock, milliseconds since 1970. S3 answers in whole seconds. */
  now(): Promise<number>;
  /** Null: no such object. */
  head(key: string): Promise<ObjectInfo | null>;
  /** Null: no such object. An object larger than `maxBytes` is a typed error (`object-too-large`). */
  get(key: string, options?: { maxBytes?: number }): Promise<StoredObject | null>;
  /** Bytes [start, end) of an object; one that is empty or reaches past the end is a typed error (`range-not-satisfiable`). */
  range(key: string, start: number, end: number): Promise<Uint8Array | null>;
  /**
   * The object, or bytes [start, end) of it, piece by piece: at most a piece is in memory for a reader that is slow. One
   * version of it: should it be replaced or deleted meanwhile, the rest may be an error. Ranges as above.
   */
  stream(key: string, options?: { start?: number; end?: number }): Promise<StreamedObject | null>;
  /** Creates once (`If-None-Match: *`). Durable when it returns; a retry that meets its own first try sees `exists`. */
  putIfAbsent(key: string, bytes: Uint8Array): Promise<PutOutcome>;
  /**
   * Replaces the object read with `etag` (`If-Match`), or creates it when `etag` is null. An etag of an object that is
   * not there (any more) is a typed error (`no-such-object`): S3 answers 404, and there is nothing to read again.
   */
  compareAndSwap(key: string, bytes: Uint8Array, etag: string | null): Promise<SwapOutcome>;
  /** Objects under a prefix, in key order, at most `limit` (1000) a page; `after` need not be a key. */
  list(prefix: string, options?: { after?: string; limit?: number }): Promise<ListPage>;
  /** Idempotent. */
  delete(key: string): Promise<void>;
  /** An upload pinned to key, length, SHA-256 and once. `ticket-expired` when it could not be used any more. */
  presignPut(key: string, pin: { sizeBytes: number; sha256: string; expiresAtMs: number }): Promise<Ticket>;
  /** A download of one object. `ticket-expired` as above. */
  presignGet(key: string, pin: GetPin): Promise<Ticket>;
}

/** A store that tells of its objects itself. S3 and MinIO send notifications to a queue or an address instead. */
export interface EventedObjectStore extends ObjectStore {
  /** Calls back, later and once it is durable, for objects written under `prefix` by this process. Returns the unsubscriber. */
  onCreated(prefix: string, listener: (event: CreatedEvent) => void): () => void;
}

/** All objects under a prefix, page by page. */
export async function* listAll(store: ObjectStore, prefix: string): AsyncGenerator<ObjectInfo> {
  let after: string | undefined;
  for (;;) {
    const page = await store.list(prefix, after === undefined ? {} : { after });
    yield* page.objects;
    if (page.next === null) return;
    after = page.next;
  }
}
