/**
 * A disk that a test may fill: a small file system in memory.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { closeSync, openSync, writeSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const FILL_AGAIN_MS = 100;
const BLOCK_BYTES = [1 << 20, 1 << 12] as const;

export interface SmallDisk {
  /** No byte more fits for a while, though others give some back. */
  fill(whose: string, seconds: number): Promise<void>;
  close(): Promise<void>;
}

/** Mounts one on a folder, or says why that cannot be done here. */
export async function mountSmallDisk(folder: string, sizeMiB: number): Promise<SmallDisk | string> {
  await mkdir(folder, { recursive: true });
  const options = ["-t", "tmpfs", "-o", `size=${sizeMiB}m,mode=700`, "outerloop-chaos", folder];
  const { status, stderr, error } = spawnSync("mount", options, { encoding: "utf8" });
  if (status !== 0) return error?.message ?? stderr.trim();
  const filler = join(folder, "filler");
  let fillers = 0;
  return {
    async fill(_, seconds) {
      const file = `${filler}-${fillers++}`;
      const until = performance.now() + 1_000 * seconds;
      do {
        fillUp(file);
        await sleep(FILL_AGAIN_MS);
      } while (performance.now() < until);
      await rm(file);
    },
    async close() {
      spawnSync("umount", [folder]);
    },
  };
}

/** Appends until the system refuses: large blocks, then small ones. */
function fillUp(path: string): void {
  const file = openSync(path, "a");
  try {
    for (const bytes of BLOCK_BYTES) {
      const block = Buffer.alloc(bytes);
      try {
        while (writeSync(file, block) > 0);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      }
    }
  } finally {
    closeSync(file);
  }
}
