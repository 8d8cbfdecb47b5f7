/**
 * What a round costs besides training, and how much memory everything together takes: measured on a real embedded run.
 *
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { RunResult } from "../../schemas/index.ts";
import { type TreeMemory, treeMemory } from "./process-tree.ts";
import type { WholeRun } from "./result.ts";
import { spreadOf } from "./spread.ts";
import { runUp } from "./up-process.ts";

const ROUNDS = 4;
const SAMPLE_MS = 500;

/** `onLine` gets what the run says on the way. Typed error `run-failed`. */
export async function measureRun(onLine: (line: string) => void): Promise<WholeRun> {
  const dataDir = await mkdtemp(join(tmpdir(), "outerloop-benchmark-"));
  const samples: TreeMemory[] = [];
  let sampling: Promise<void> | undefined;
  try {
    const result = await runUp({
      args: ["--rounds", String(ROUNDS), "--data-dir", dataDir],
      onLine,
      onStart: (child) => {
        sampling = sampleUntil(child, samples);
      },
    });
    await sampling;
    return summarise(result, samples);
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function sampleUntil(child: ChildProcess, samples: TreeMemory[]): Promise<void> {
  while (child.exitCode === null && child.signalCode === null) {
    const memory = child.pid === undefined ? null : await treeMemory(child.pid);
    if (memory !== null) samples.push(memory);
    await sleep(SAMPLE_MS);
  }
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
