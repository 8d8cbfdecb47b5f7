/**
 * The one thing that a store must keep before anything is entrusted to it, checked wherever a run begins or goes on.
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import type { ObjectStore } from "../../functions/storage/object-store.ts";
import { OuterloopError } from "../../schemas/index.ts";

/**
 * Writes an object twice, under `views/`, where nothing is a fact. `unconditional-store`: the second write was taken, so
 * two processes could both decide a round. `doctor` checks this and all the rest.
 */
export async function requireConditionalWrites(store: ObjectStore): Promise<void> {
  const key = `views/conditions/${randomUUID()}`;
  // Not removed if one of these fails: a store that has just stopped answering would be asked in vain, for another while.
  await store.putIfAbsent(key, new TextEncoder().encode("first"));
  const second = await store.putIfAbsent(key, new TextEncoder().encode("second"));
  await store.delete(key);
  if (second.outcome === "exists") return;
  throw new OuterloopError(
    "unconditional-store",
    "this store takes a second write under If-None-Match: rounds would be decided twice on it. `outerloop doctor` says what else it lacks",
  );
}
