/**
 * What a round costs besides training, on each stack, by a whole run of `outerloop up`.
 *
 * Decisions carry the store's time, and S3 gives that in whole seconds, always rounded down, while a commit is timed by
 * the machine: between the two, training would seem up to a second too long, and the rest too short. So both ends are
 * timed by this machine's clock: the coordinator's log says when a roster stood, its peers when they had committed.
 *
 * @module
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OuterloopError } from "../../../schemas/index.ts";
import { folders } from "../../local/run-folder.ts";
import type { RoundOverhead } from "../result.ts";
import { spreadOf } from "../spread.ts";
import { runUp } from "../up-process.ts";
import type { Stack } from "./stacks.ts";

/** Three honest ones and a saboteur. */
const PEERS = 4;

/** Milliseconds since 1970 by round: when its roster stood, and when the last peer had done something. */
export interface RoundTimes {
  roster: ReadonlyMap<number, number>;
  committed: ReadonlyMap<number, number>;
  applied: ReadonlyMap<number, number>;
}

export async function measureOverhead(
  { name, coordinator }: Stack,
  rounds: number,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<RoundOverhead> {
  const dataDir = await mkdtemp(join(tmpdir(), "outerloop-benchmark-"));
  const times = { committed: new Map<number, number>(), applied: new Map<number, number>() };
  try {
    const { run } = await runUp({
      args: [
        ...["--rounds", String(rounds), "--peers", String(PEERS), "--saboteurs", "1"],
        ...["--data-dir", dataDir],
        ...coordinator.args,
      ],
      env: coordinator.env,
      signal,
      onLine,
      onEvent: (event) => {
        if (event.kind !== "committed" && event.kind !== "applied") return;
        const last = times[event.kind].get(event.round) ?? 0;
        times[event.kind].set(event.round, Math.max(last, event.at));
      },
    });
    const log = join(folders.run(dataDir, run), "logs", "coordinator.log");
    const roster = rosterTimes(await readFile(log, "utf8"));
    return { stack: name, peers: PEERS, ...overheadOf({ ...times, roster }, rounds) };
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** When rosters stood, by a coordinator's log: one JSON object a line, and what else the process had to say. */
export function rosterTimes(log: string): Map<number, number> {
  const entries = log.split("\n").flatMap((line) => {
    if (!line.startsWith('{"at":')) return [];
    const { at, message, round } = JSON.parse(line) as { at: string; message: string; round?: number };
    return message === "roster recorded" && round !== undefined ? [[round, Date.parse(at)] as const] : [];
  });
  return new Map(entries);
}

/** Typed error `run-failed`: a round was not seen from its beginning to its end. */
export function overheadOf(
  { roster, committed, applied }: RoundTimes,
  rounds: number,
): Omit<RoundOverhead, "stack" | "peers"> {
  const at = (what: string, times: ReadonlyMap<number, number>, round: number) => {
    const time = times.get(round);
    if (time !== undefined) return time;
    throw new OuterloopError("run-failed", `nobody told when round ${round} was ${what}`, { round });
  };
  const measured = Array.from({ length: rounds }, (_, i) => i + 1).map((round) => {
    const trained = at("committed", committed, round);
    const end =
      round < rounds ? at("followed by a roster", roster, round + 1) : at("applied", applied, round);
    return {
      train: (trained - at("begun", roster, round)) / 1_000,
      overhead: (end - trained) / 1_000,
    };
  });
  const overheads = measured.map(({ overhead }) => overhead);
  return {
    trainSeconds: spreadOf(measured.map(({ train }) => train)),
    overheadSeconds: spreadOf(overheads),
    meanOverheadSeconds: overheads.reduce((sum, value) => sum + value, 0) / rounds,
    overheadShareOfTraining: spreadOf(measured.map(({ train, overhead }) => overhead / train)),
  };
}
