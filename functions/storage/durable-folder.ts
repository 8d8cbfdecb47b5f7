/**
 * Files that are complete and on disk before anybody can see them.
 *
 * A write is: temporary file, fsync, `link()` or `rename()` to its name, fsync of the folder. A process killed at any
 * step leaves at most a temporary file, in a folder of its own that no reader opens; a later start removes it.
 *
 * @module
 */
import { randomInt, randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { type FileHandle, link, mkdir, open, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

/** Other processes may be writing: only what is older than any write lasts is waste. */
const STALE_MS = 15 * 60_000;
/** Above this, the bytes go to disk before the time is stamped, so that a slow disk does not make the stamp early. */
const SLOW_BYTES = 1 << 20;

export interface DurableFolder {
  /** Where objects or messages lie. */
  readonly content: string;
  /** A path in the folder for temporary files, on the same filesystem, used by nobody else. */
  temporaryPath(): string;
  /** Writes a file nobody sees yet, complete and on disk, and stamps it with the time. Remove or rename it afterwards. */
  writeTemporary(bytes: Uint8Array, stampMs: () => number): Promise<string>;
  /** Makes a folder under `content` and its ancestors durable. */
  ensureFolder(folder: string): Promise<void>;
  /** Gives a temporary file its name and makes that durable; false: the name is taken. */
  publish(temporary: string, path: string): Promise<boolean>;
}

/** Opens (or makes) a folder and removes temporary files that a killed process left more than 15 minutes ago. */
export function openDurableFolder(path: string): DurableFolder {
  const root = resolve(path);
  const content = join(root, "content");
  const temporary = join(root, "temporary");
  mkdirSync(content, { recursive: true });
  mkdirSync(temporary, { recursive: true });
  removeStale(temporary);
  /** Folders whose whole path this process has seen on disk. Folders are never removed, so this stays true. */
  const durable = new Set<string>();

  const ensureFolder = async (folder: string): Promise<void> => {
    if (durable.has(folder)) return;
    await mkdir(folder, { recursive: true });
    // Another process may have made it a moment ago and not have synced it yet; this one's promise is its own.
    for (let child = folder; child !== root && !durable.has(child); child = dirname(child)) {
      await syncFolder(dirname(child));
    }
    for (let child = folder; child !== root; child = dirname(child)) durable.add(child);
  };

  return {
    content,
    ensureFolder,
    temporaryPath: () => join(temporary, randomUUID()),

    async writeTemporary(bytes, stampMs) {
      const path = join(temporary, randomUUID());
      const file = await open(path, "wx", 0o644);
      try {
        await file.writeFile(bytes);
        if (bytes.byteLength > SLOW_BYTES) await file.datasync();
        await stamp(file, stampMs());
        await file.sync();
      } catch (error) {
        await rm(path, { force: true });
        throw error;
      } finally {
        await file.close();
      }
      return path;
    },

    async publish(temporaryPath, path) {
      const folder = dirname(path);
      await ensureFolder(folder);
      const taken = await failedWith(["EEXIST"], link(temporaryPath, path));
      await syncFolder(folder);
      return !taken;
    },
  };
}

/**
 * Modification time = publication, in whole seconds. The micro-seconds are drawn: they tell two files apart that had
 * the same inode, size and second (deleted and created again), which would otherwise have the same etag.
 */
async function stamp(file: FileHandle, nowMs: number): Promise<void> {
  const seconds = Math.floor(nowMs / 1000) + randomInt(1, 999_999) / 1e6;
  await file.utimes(seconds, seconds);
}

/** Makes the names in a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Awaits a step that may meet one of the expected system errors; true: it did. */
export async function failedWith(codes: readonly string[], step: Promise<unknown>): Promise<boolean> {
  try {
    await step;
    return false;
  } catch (error) {
    if (error instanceof Error && "code" in error && codes.includes(String(error.code))) return true;
    throw error;
  }
}

/** Awaits a step on a file that another process may remove at any time; null: it is not there. */
export async function ifThere<T>(step: Promise<T>): Promise<T | null> {
  try {
    return await step;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}

function removeStale(folder: string): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    // ctime, because it is the system's clock and no caller can set it; gone meanwhile: another start removed it.
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat !== undefined && Date.now() - stat.ctimeMs > STALE_MS)
      rmSync(path, { recursive: true, force: true });
  }
}
