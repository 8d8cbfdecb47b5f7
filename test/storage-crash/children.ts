/**
 * Child processes that are killed. A child says a line for every operation that the store acknowledged; the parent
 * counts lines, never time, and kills in the middle of whatever comes next.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** Numbers in [0, 1) that are the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Runs `count` children of a script with the arguments and their own name, kills each with SIGKILL once it has said as
 * many lines as drawn for it, and returns all lines that they got out.
 */
export async function runAndKill(
  script: string,
  args: readonly string[],
  { names, linesBeforeKill }: { names: readonly string[]; linesBeforeKill: () => number },
): Promise<string[]> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const runs = names.map((name) => {
    const child = spawn(process.execPath, [path, ...args, name], { stdio: ["ignore", "pipe", "inherit"] });
    return linesUntilKilled(child, linesBeforeKill());
  });
  return (await Promise.all(runs)).flat();
}

async function linesUntilKilled(child: ChildProcess, limit: number): Promise<string[]> {
  if (child.stdout === null) throw new Error("the child has no stdout");
  const closed = new Promise<NodeJS.Signals | null>((resolve) =>
    child.once("close", (_, signal) => resolve(signal)),
  );
  const lines: string[] = [];
  // Reading goes on to the end: what was said before the kill took effect was acknowledged as well.
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (lines.length === limit) child.kill("SIGKILL");
  }
  const signal = await closed;
  if (signal !== "SIGKILL") throw new Error(`a child ended by itself after ${lines.length} lines`);
  return lines;
}
