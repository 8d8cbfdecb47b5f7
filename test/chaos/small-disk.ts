/**
 * A disk that a test may fill: a small file system in memory.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { closeSync, openSync, writeSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { lasting } from "./lasting.ts";

const FILL_AGAIN_MS = 100;
const BLOCK_BYTES = [1 << 20, 1 << 12] as const;

export interface SmallDisk {
  /** No byte more fits for a while, though others give some back. `hasHit`: somebody has met it. */
  fill(seconds: number, hasHit: () => boolean): Promise<boolean>;
  close(): Promise<void>;
}

/** Mounts one on a folder; an error says why that cannot be done here. */
export async function mountSmallDisk(folder: string, sizeMiB: number): Promise<SmallDisk> {
  await mkdir(folder, { recursive: true });
  const options = ["-t", "tmpfs", "-o", `size=${sizeMiB}m,mode=700`, "outerloop-chaos", folder];
  const { status, stderr, error } = spawnSync("mount", options, { encoding: "utf8" });
  if (status !== 0) throw new Error(error?.message ?? stderr.trim());
  const filler = join(folder, "filler");
  let fillers = 0;
  return {
    async fill(seconds, hasHit) {
      const file = `${filler}-${fillers++}`;
      let isOver = false;
      const over = lasting(seconds, hasHit).finally(() => {
        isOver = true;
      });
      while (!isOver) {
        fillUp(file);
        await sleep(FILL_AGAIN_MS);
      }
      await rm(file);
      return over;
    },
    async close() {
      spawnSync("umount", [folder]);
    },
  };
}

/** Why none can be mounted here; null: one can. */
export async function whyNoSmallDisk(): Promise<string | null> {
  const folder = await mkdtemp(join(tmpdir(), "outerloop-chaos-"));
  try {
    await (await mountSmallDisk(folder, 1)).close();
    return null;
  } catch (error) {
    return (error as Error).message;
  } finally {
    await rm(folder, { recursive: true });
  }
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
