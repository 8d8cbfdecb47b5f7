/**
 * What every chaos test has: a seed, a folder, a voice, and an end that leaves nothing behind.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";

/** In its plans a peer that nobody waits for comes early, so that many rounds close without it. */
const DEFAULT_SEED = "h";

export interface Stage {
  seed: string;
  folder: string;
  /** One log a process; outside of any disk that is filled. */
  logs: string;
  /** For processes: nothing is written beside their own folders. */
  env: NodeJS.ProcessEnv;
  say(line: string): void;
  /** At the end, the last one first. */
  cleanUp(work: () => Promise<unknown>): void;
  /** No process works in the folder any more. */
  expectNobodyLeft(): void;
  close(): Promise<void>;
}

/** The variable OUTERLOOP_CHAOS_SEED gives another plan; OUTERLOOP_CHAOS_LOGS a place where logs stay. */
export async function openStage(name: string): Promise<Stage> {
  const seed = process.env.OUTERLOOP_CHAOS_SEED ?? DEFAULT_SEED;
  const folder = await mkdtemp(join(tmpdir(), "outerloop-chaos-"));
  const logs = join(process.env.OUTERLOOP_CHAOS_LOGS ?? folder, `${name}-logs`);
  mkdirSync(logs, { recursive: true });
  const works: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  // At once and past the test runner's own output: who waits for minutes wants to see what happens.
  const say = (line: string) => void writeSync(2, `chaos ${name}: ${line}\n`);
  say(`OUTERLOOP_CHAOS_SEED="${seed}"`);
  return {
    seed,
    folder,
    logs,
    env: {
      ...process.env,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(folder, "compile-cache"),
    },
    say,
    cleanUp: (work) => void works.push(work),
    expectNobodyLeft() {
      const lines = execFileSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" }).split("\n");
      expect(lines.filter((line) => line.includes(folder))).toEqual([]);
    },
    async close() {
      for (const work of works.reverse()) await work();
    },
  };
}
