/**
 * Compare-and-swap on files, without locks.
 *
 * An object is created by `link()` of `a$`, which is create-once. Most objects stay like that, and reading one is one
 * open. The first swap sets a mark on `a$` (the execute bit); from then on the object is the *one* folder in `a!…`:
 *
 *     a$                           first version, marked; stays as the proof that the object exists
 *     a!{identity of a$}/          the identity keeps an object apart from one deleted before it under the same key
 *       7-{drawn}/                 the current version's folder …
 *         7-{drawn}                … and its bytes
 *
 * A swap puts its candidate `8-{drawn}` beside the bytes and renames the folder `7-…` to `8-…`. The source of a rename
 * vanishes, so of all who read version 7 exactly one succeeds, no matter how long they slept in between: the name
 * `7-{drawn}` never comes back. (Linking the next number and removing old numbers does not have this property: a
 * process that slept over the removal finds its number free again.)
 *
 * Killed before the rename: a candidate nobody reads, removed by the next winner. Killed after it: the old bytes, ditto.
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { type FileHandle, link, mkdir, open, readdir, rename, rm, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { OuterloopError } from "../../schemas/errors.ts";
import { type DurableFolder, failedWith, ifThere, syncFolder } from "./durable-folder.ts";

/** Set on a first version when later ones may exist. */
const MARK = 0o100n;
/** Reads that meet a swap try again; so many in a row are no race but a damaged folder. */
const MAX_ATTEMPTS = 1000;

/** What a folder listing and a read know of the current version. */
export interface VersionStat {
  version: number;
  stat: BigIntStats;
  /** The first version, whose identity is the object's: another one means deleted and created again. */
  first: BigIntStats;
}

/** The current version, open: its bytes stay readable when it is replaced or deleted meanwhile. Close it. */
export interface OpenVersion extends VersionStat {
  file: FileHandle;
}

/** Changes with every version, and with every deletion and new creation of the key. */
export function etagOf({ version, stat }: VersionStat): string {
  return `${version}-${stat.ino.toString(36)}-${stat.mtimeNs.toString(36)}-${stat.size.toString(36)}`;
}

/** Stat of the current version of the object whose first version is `path`; null: no such object. */
export async function statCurrent(path: string): Promise<VersionStat | null> {
  const first = await ifThere(stat(path, { bigint: true }));
  if (first === null) return null;
  if (!isMarked(first)) return { version: 1, stat: first, first };
  const current = await openCurrent(path);
  await current?.file.close();
  return current;
}

/** Opens the current version of the object whose first version is `path`; null: no such object. */
export async function openCurrent(path: string): Promise<OpenVersion | null> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const opened = await openWithStat(path);
    if (opened === null) return null;
    if (!isMarked(opened.stat)) return { version: 1, first: opened.stat, ...opened };
    const versions = await findVersions(path, opened.stat);
    const name = versions === null ? null : await currentName(versions);
    if (name !== null && versionOf(name) === 1) return { version: 1, first: opened.stat, ...opened };
    await opened.file.close();
    // Gone between the listing and the open: a swap (or a deletion) won, look again.
    const current =
      versions === null || name === null ? null : await openWithStat(join(versions, name, name));
    if (name !== null && current !== null)
      return { version: versionOf(name), first: opened.stat, ...current };
  }
  const message = `${path} is marked as replaced, but no version of it is there: was the folder changed by hand?`;
  throw new OuterloopError("store-damaged", message, { path });
}

/**
 * Replaces `current`, which the caller read, by the temporary file `candidate` (complete and on disk). False: another
 * process replaced or deleted it first. The candidate is linked, so the caller still removes it.
 */
export async function replaceCurrent(
  folder: DurableFolder,
  path: string,
  current: VersionStat,
  candidate: string,
): Promise<boolean> {
  const versions = await markAsReplaced(folder, path, current.first);
  if (versions === null) return false;
  const from = await currentName(versions);
  if (from === null || versionOf(from) !== current.version) return false;
  const name = `${current.version + 1}-${randomUUID()}`;

  if ((await ifThere(link(candidate, join(versions, from, name)).then(() => true))) === null) return false;
  // The candidate's name must be on disk before the rename that makes it the object.
  if ((await ifThere(syncFolder(join(versions, from)).then(() => true))) === null) return false;
  // ENOENT: another swap took the source away, this is the comparison of compare-and-swap.
  const lost = await failedWith(["ENOENT"], rename(join(versions, from), join(versions, name)));
  if (lost) return false;
  await ifThere(syncFolder(versions));
  await removeOlder(join(versions, name), name);
  return true;
}

/** Deletes an object and its versions. The removal of the first version is the deletion; the rest is waste. */
export async function deleteObject(folder: DurableFolder, path: string): Promise<void> {
  const first = await ifThere(stat(path, { bigint: true }));
  if (first === null) return;
  await ifThere(unlink(path));
  await syncFolder(dirname(path));
  if (!isMarked(first)) return;
  const waste = folder.temporaryPath();
  const versions = await findVersions(path, first);
  if (versions !== null) await ifThere(rename(versions, waste));
  await rm(waste, { recursive: true, force: true });
}

/** Makes the folder of versions, then sets the mark; null: the object that was read is gone. Both steps may be repeated. */
async function markAsReplaced(
  folder: DurableFolder,
  path: string,
  read: BigIntStats,
): Promise<string | null> {
  const first = await openWithStat(path);
  if (first === null) return null;
  try {
    const versions = versionsFolder(path, read);
    if (versionsFolder(path, first.stat) !== versions) return null;
    if (isMarked(first.stat)) return await findVersions(path, first.stat);
    // Renamed into place with version 1 in it, because a folder that is not empty cannot be replaced by a rename: a
    // process that comes late never brings version 1 back.
    const prepared = folder.temporaryPath();
    await mkdir(join(prepared, "1-first"), { recursive: true });
    await syncFolder(prepared);
    const there = await failedWith(["ENOTEMPTY", "EEXIST"], rename(prepared, versions));
    if (there) await rm(prepared, { recursive: true, force: true });
    await syncFolder(dirname(path));
    // The mark comes last: a reader that sees it finds the folder.
    await first.file.chmod(0o744);
    await first.file.sync();
    return versions;
  } finally {
    await first.file.close();
  }
}

/** Removes older versions and the candidates that lost; those for the next swap stay. */
async function removeOlder(folder: string, name: string): Promise<void> {
  for (const other of (await ifThere(readdir(folder))) ?? []) {
    if (other !== name && versionOf(other) <= versionOf(name)) await ifThere(unlink(join(folder, other)));
  }
}

async function openWithStat(path: string): Promise<{ file: FileHandle; stat: BigIntStats } | null> {
  const file = await ifThere(open(path, "r"));
  if (file === null) return null;
  try {
    return { file, stat: await file.stat({ bigint: true }) };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The one folder of the current version; the highest, should the listing have caught both sides of a rename. */
async function currentName(versions: string): Promise<string | null> {
  const names = (await ifThere(readdir(versions))) ?? [];
  return names.sort((a, b) => versionOf(b) - versionOf(a))[0] ?? null;
}

/**
 * The folder of versions of a marked first version; null: it is not there (any more). A copy of the whole store has other
 * identities than its folders are named after: there it is the only folder of that object.
 */
async function findVersions(path: string, first: BigIntStats): Promise<string | null> {
  const own = versionsFolder(path, first);
  if ((await ifThere(stat(own))) !== null) return own;
  const stem = `${basename(path).slice(0, -1)}!`;
  const siblings = (await ifThere(readdir(dirname(path)))) ?? [];
  const [only, ...others] = siblings.filter((name) => name.startsWith(stem));
  const still = await ifThere(stat(path, { bigint: true }));
  if (only === undefined || others.length > 0 || still === null) return null;
  // Deleted and created again meanwhile: that folder is the new object's.
  return versionsFolder(path, still) === own ? join(dirname(path), only) : null;
}

function versionsFolder(path: string, first: BigIntStats): string {
  const identity = `${first.ino.toString(36)}-${first.mtimeNs.toString(36)}`;
  return join(dirname(path), `${basename(path).slice(0, -1)}!${identity}`);
}

function versionOf(name: string): number {
  return Number.parseInt(name, 10);
}

function isMarked(stat: BigIntStats): boolean {
  return (stat.mode & MARK) !== 0n;
}
