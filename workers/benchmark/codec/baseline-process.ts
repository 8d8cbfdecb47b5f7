/**
 * Baselines in processes of their own: each answers a line with a number.
 *
 * @module
 */
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** Null answer: the process cannot do this. */
export interface Baseline {
  ask(line: string): Promise<number | null>;
  close(): Promise<void>;
}

/** In-place e = b * e + d over `elements`; a string says why there is none. */
export async function openProbe(elements: number): Promise<Baseline | string> {
  const compiler = [process.env.CXX, "c++", "g++", "clang++"].find(
    (name) => name !== undefined && name !== "" && spawnSync(name, ["--version"]).status === 0,
  );
  if (compiler === undefined) return "no C++ compiler for the probe";
  const folder = await mkdtemp(join(tmpdir(), "outerloop-probe-"));
  const program = join(folder, "probe");
  const source = fileURLToPath(new URL("probe.cc", import.meta.url));
  const flags = ["-O3", "-std=c++17", "-march=native", "-pthread"];
  const { status, stderr } = spawnSync(compiler, [...flags, source, "-o", program], { encoding: "utf8" });
  if (status !== 0) {
    await rm(folder, { recursive: true });
    return `the probe does not compile: ${stderr.split("\n")[0]}`;
  }
  return opened(spawn(program, [`${elements}`], pipes), () => rm(folder, { recursive: true }));
}

/** The codec's work in torch and numpy. */
export function openPython(): Baseline | string {
  const python = ["python3", "/usr/bin/python3"].find(
    (name) => spawnSync(name, ["-c", "import torch"]).status === 0,
  );
  const source = fileURLToPath(new URL("baselines.py", import.meta.url));
  return python === undefined
    ? "no python3 with torch (on Debian: python3-torch)"
    : opened(spawn(python, ["-W", "ignore", source], pipes), async () => {});
}

const pipes: SpawnOptions = { stdio: ["pipe", "pipe", "inherit"] };

function opened(child: ChildProcess, tidyUp: () => Promise<void>): Baseline {
  if (child.stdin === null || child.stdout === null) throw new Error("the child has pipes");
  const { stdin } = child;
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask(line) {
      stdin.write(`${line}\n`);
      const { value, done } = await lines.next();
      if (done === true) throw new Error(`the baseline ended at "${line}"`);
      return value === "none" ? null : Number(value);
    },
    async close() {
      stdin.end();
      child.kill();
      await tidyUp();
    },
  };
}
