/**
 * How much memory a process and all its descendants hold, from `/proc`.
 *
 * @module
 */
import { readdir, readFile } from "node:fs/promises";

export interface TreeMemory {
  processes: number;
  rssBytes: number;
  /** Null: the kernel gives no `smaps_rollup` to this user. */
  pssBytes: number | null;
}

/** Null: there is no `/proc`, or the process has ended. */
export async function treeMemory(root: number): Promise<TreeMemory | null> {
  const parents = await parentsOfAll();
  if (!parents.has(root)) return null;
  const tree = [...parents.keys()].filter((pid) => descends(parents, pid, root));
  const memories = await Promise.all(tree.map(memoryOf));
  const alive = memories.filter((one) => one !== null);
  const pss = alive.map(({ pssBytes }) => pssBytes);
  return {
    processes: alive.length,
    rssBytes: alive.reduce((sum, { rssBytes }) => sum + rssBytes, 0),
    pssBytes: pss.includes(null) ? null : pss.reduce<number>((sum, bytes) => sum + (bytes ?? 0), 0),
  };
}

/** Parent of every process. */
async function parentsOfAll(): Promise<Map<number, number>> {
  const names = await readdir("/proc").catch(() => []);
  const found = await Promise.all(
    names
      .filter((name) => /^\d+$/.test(name))
      .map(async (name) => {
        const stat = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
        // "pid (command) state parent ...": the command may hold blanks and brackets of its own.
        const [, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        return parent === undefined ? [] : [[Number(name), Number(parent)] as const];
      }),
  );
  return new Map(found.flat());
}

function descends(parents: ReadonlyMap<number, number>, pid: number, root: number): boolean {
  for (let at: number | undefined = pid; at !== undefined && at > 0; at = parents.get(at)) {
    if (at === root) return true;
  }
  return false;
}

/** Null: ended meanwhile. */
async function memoryOf(pid: number): Promise<{ rssBytes: number; pssBytes: number | null } | null> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const rssBytes = kilobytesIn(status, "VmRSS");
  if (rssBytes === null) return null;
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
  return { rssBytes, pssBytes: kilobytesIn(rollup, "Pss") };
}

function kilobytesIn(text: string, field: string): number | null {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text);
  return match === null ? null : 1_024 * Number(match[1]);
}
