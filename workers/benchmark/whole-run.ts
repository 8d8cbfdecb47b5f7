/**
 * What a round costs besides training, and how much memory everything together takes: measured on a real embedded run.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { OuterloopError, type RunResult, runResult } from "../../schemas/index.ts";
import { type TreeMemory, treeMemory } from "./process-tree.ts";
import type { WholeRun } from "./result.ts";
import { spreadOf } from "./spread.ts";

const ROUNDS = 4;
const SAMPLE_MS = 500;
const bin = fileURLToPath(new URL("../../bin/outerloop.js", import.meta.url));

/** `onLine` gets what the run says on the way. Typed error `run-failed`. */
export async function measureRun(onLine: (line: string) => void): Promise<WholeRun> {
  const dataDir = await mkdtemp(join(tmpdir(), "outerloop-benchmark-"));
  const child = spawn(
    process.execPath,
    [bin, "up", "--rounds", String(ROUNDS), "--json", "--data-dir", dataDir],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  try {
    const ended = endOf(child);
    const samples: TreeMemory[] = [];
    const sampling = sampleUntil(child, samples);
    const { code, output } = await collect(child, ended, onLine);
    await sampling;
    if (code !== 0) throw new OuterloopError("run-failed", `outerloop up ended with status ${code}`);
    return summarise(runResult.parse(JSON.parse(output)), samples);
  } finally {
    await stop(child);
    await rm(dataDir, { recursive: true, force: true });
  }
}

function endOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code));
  });
}

async function collect(child: ChildProcess, ended: Promise<number | null>, onLine: (line: string) => void) {
  let output = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    for (const line of text.split("\n")) if (line.startsWith("round ")) onLine(line);
  });
  return { code: await ended, output };
}

async function sampleUntil(child: ChildProcess, samples: TreeMemory[]): Promise<void> {
  while (child.exitCode === null && child.signalCode === null) {
    const memory = child.pid === undefined ? null : await treeMemory(child.pid);
    if (memory !== null) samples.push(memory);
    await sleep(SAMPLE_MS);
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await ended;
}

function summarise(result: RunResult, samples: readonly TreeMemory[]): WholeRun {
  const seconds = result.rounds.map((round) => round.seconds);
  const peak = (values: (number | null)[]) => {
    const known = values.filter((value) => value !== null);
    return known.length === 0 ? null : Math.max(...known);
  };
  return {
    rounds: seconds.length,
    peers: result.peers.length,
    wallSeconds: result.wallSeconds,
    trainSeconds: spreadOf(seconds.map(({ train }) => train)),
    besidesTrainingSeconds: spreadOf(seconds.map(({ total, train }) => total - train)),
    besidesTrainingShareOfTraining: spreadOf(seconds.map(({ total, train }) => (total - train) / train)),
    memory: {
      processes: peak(samples.map(({ processes }) => processes)),
      peakRssBytes: peak(samples.map(({ rssBytes }) => rssBytes)),
      peakPssBytes: peak(samples.map(({ pssBytes }) => pssBytes)),
      samples: samples.length,
    },
  };
}
