/**
 * A folder that appears complete or not at all, built by one process while others wait for it.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isOuterloopError } from "../../schemas/index.ts";
import { type FolderLock, lockFolder } from "../../workers/peer/folder-lock.ts";

const LOOK_AGAIN_MS = 500;

export interface OnceOptions {
  /** Where it ends up. A new version gets a new folder. */
  folder: string;
  /** The file that tells that it is whole, relative to the folder: it must exist, links followed. */
  proof: string;
  signal: AbortSignal;
  /** Builds into a draft folder that is renamed afterwards: what it writes must not care where it lies. */
  build: (draft: string) => Promise<void>;
  /** Told once, if another process builds already. */
  onWait: () => void;
}

/** Builds the folder unless it is there. Whoever dies while building leaves a draft that the next one removes. */
export async function installOnce(options: OnceOptions): Promise<void> {
  const { folder, proof, build } = options;
  const isThere = () => existsSync(join(folder, proof));
  if (isThere()) return;
  await mkdir(dirname(folder), { recursive: true });
  const lock = await waitForLock(options);
  try {
    if (isThere()) return;
    const draft = `${folder}.draft`;
    await rm(draft, { recursive: true, force: true });
    await build(draft);
    // A folder without its proof is a broken one, such as a Python environment whose Python was upgraded away.
    await rm(folder, { recursive: true, force: true });
    await rename(draft, folder);
  } finally {
    await lock.release();
  }
}

async function waitForLock({ folder, signal, onWait }: OnceOptions): Promise<FolderLock> {
  for (let waited = false; ; waited = true) {
    try {
      return await lockFolder(folder, "install");
    } catch (error) {
      if (!isOuterloopError(error, "already-running")) throw error;
    }
    if (!waited) onWait();
    await sleep(LOOK_AGAIN_MS, undefined, { signal });
  }
}
