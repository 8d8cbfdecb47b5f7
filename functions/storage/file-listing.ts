/**
 * Walks the folder tree in the order of the whole keys, into no folder that cannot hold a wanted key.
 *
 * @module
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { ifThere } from "./durable-folder.ts";
import { type Entry, entryOf, folderOf } from "./file-names.ts";
import type { ByteString } from "./object-keys.ts";

/** A file that holds the first version of an object, and the object's key. */
export interface FoundObject {
  bytes: ByteString;
  path: string;
}

/** Keys that begin with `prefix` and come after `after` (null: from the first). */
export interface Wanted {
  prefix: ByteString;
  after: ByteString | null;
}

/** All wanted objects, ascending by the bytes of their keys. What appears or vanishes meanwhile may be missed. */
export async function* walk(root: string, wanted: Wanted): AsyncGenerator<FoundObject> {
  const start = folderOf(root, wanted.prefix);
  yield* walkFolder(start.folder, start.bytes, wanted);
}

async function* walkFolder(folder: string, bytes: ByteString, wanted: Wanted): AsyncGenerator<FoundObject> {
  // Objects below a folder `a+` all begin with `a/`, and nothing else in this folder does: sorting the names by the
  // bytes they add (with the slash) sorts the whole keys, `a-b` before `a/b` before `a0`.
  const entries = ((await ifThere(readdir(folder))) ?? [])
    .map((name) => ({ name, entry: entryOf(name) }))
    .filter((found): found is { name: string; entry: Entry } => found.entry !== null)
    .sort((a, b) => (a.entry.bytes < b.entry.bytes ? -1 : 1));
  for (const { name, entry } of entries) {
    const key = bytes + entry.bytes;
    const path = join(folder, name);
    if (entry.kind === "object") {
      if (isWanted(key, wanted)) yield { bytes: key, path };
    } else if (mayHoldWanted(key, wanted)) {
      yield* walkFolder(path, key, wanted);
    }
  }
}

function isWanted(key: ByteString, { prefix, after }: Wanted): boolean {
  return key.startsWith(prefix) && (after === null || key > after);
}

/** True unless every key that begins with `start` misses the prefix or comes before `after`. */
function mayHoldWanted(start: ByteString, { prefix, after }: Wanted): boolean {
  const fits = start.startsWith(prefix) || prefix.startsWith(start);
  return fits && (after === null || start > after || after.startsWith(start));
}
