/**
 * A run lives through its blows: every process started, every blow dealt at its round, the end awaited, and then looked
 * at for what must hold whatever happened.
 *
 * @module
 */

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { createApiClient } from "../../functions/api/client.ts";
import { readFinishedRound } from "../../functions/rounds/history.ts";
import type { RunContext } from "../../functions/rounds/run-context.ts";
import { readStatus } from "../../functions/rounds/status.ts";
import { isOuterloopError, type RoundSummary, type RunStatus } from "../../schemas/index.ts";
import { MISUSED } from "../../workers/cli/lifetime.ts";
import { isComplete } from "../../workers/local/result.ts";
import { type CurrentRun, folders } from "../../workers/local/run-folder.ts";
import { openPeerStateStore } from "../../workers/peer/peer-state.ts";
import { downloadState, follow, stateHash } from "../../workers/replica/parameters.ts";
import { openRunView } from "../../workers/replica/run-view.ts";
import { followCourse } from "./course.ts";
import type { Gateway } from "./gateway.ts";
import { type Blow, isDue, nameOf, type Point } from "./plan.ts";
import type { Processes } from "./processes.ts";
import { EVALUATORS, PEERS, ROUNDS } from "./run.ts";

const STEP_MS = 5;
const LOOK_MS = 200;
/** When nothing moves, somebody wants to know why. */
const TELL_AFTER_MS = 30_000;
/** Of 20 rounds 15 to 20 were applied, of 60 commits 37 to 50 acknowledged; a slower machine may do less. */
const LEAST_APPLIED = 10;
const LEAST_ACKNOWLEDGED = 25;
/** A full disk; a server that is away; one that came back without its queues; and that a sweep has met one of these. */
const EXCUSE =
  /ENOSPC|no answer (of|from)|check that the service runs at this address|QueueDoesNotExist|could not look after/;

export interface Ordeal {
  dataDir: string;
  current: CurrentRun;
  /** For looking into the bucket past everybody. */
  context: RunContext;
  processes: Processes;
  gateway: Gateway;
  /** `host:port` at which workers find the coordinator. */
  authority: string;
  coordinatorPort: number;
  /** Environment of the coordinator; workers get none of its keys. */
  env: NodeJS.ProcessEnv;
  workerEnv: NodeJS.ProcessEnv;
  /** Words before a peer's command line. */
  prefixOf: (peer: string) => readonly string[];
  say: (line: string) => void;
  signal: AbortSignal;
}

/** `12.3 s`, since a moment of `performance.now()`. */
export const secondsSince = (ms: number) => `${((performance.now() - ms) / 1_000).toFixed(1)} s`;

export function startEverybody(ordeal: Ordeal): void {
  const { dataDir, current, processes, authority, coordinatorPort, env, workerEnv, prefixOf } = ordeal;
  const address = ["--host", "127.0.0.1", "--port", `${coordinatorPort}`, "--authority", authority];
  processes.start({
    name: "coordinator",
    args: ["coordinator", "--data-dir", dataDir, ...address],
    env,
    ends: false,
  });
  const work = (name: string) => {
    const folder = folders.member(dataDir, current.run, name);
    return ["--coordinator", `http://${authority}`, "--run", current.run, "--data-dir", folder];
  };
  for (const name of EVALUATORS) {
    processes.start({ name, args: ["evaluator", ...work(name)], env: workerEnv, ends: false });
  }
  for (const name of PEERS) {
    const prefix = prefixOf(name);
    processes.start({ name, args: ["peer", ...work(name)], env: workerEnv, ends: true, prefix });
  }
}

/** A blow that fell: where, and whether it hit. */
export interface Fallen {
  blow: string;
  round: number;
  hit: boolean;
}

/** Deals every blow when the run has come to it; resolves when the run is complete and every peer has gone home. */
export async function live(
  ordeal: Ordeal,
  blows: readonly Blow[],
): Promise<{ status: RunStatus; fallen: Fallen[] }> {
  const { processes, gateway, say, signal } = ordeal;
  const beganAt = performance.now();
  const falling: Promise<Fallen>[] = [];
  const passed = followCourse(processes.lines.get("coordinator") ?? [], gateway.acknowledged);
  let looking = nextLook();
  let [seen, movedAt] = ["", beganAt];
  for (;;) {
    for (const at of passed()) {
      for (const blow of blows.slice(falling.length)) if (isDue(blow, at)) falling.push(deal(blow, at));
    }
    const status = await Promise.race([looking, sleep(STEP_MS)]);
    if (status !== undefined) {
      if (status !== null && isComplete(status)) break;
      const now =
        status === null
          ? seen
          : `${status.round} ${status.phase}: ${status.waitingFor.map(({ text }) => text)}`;
      if (now !== seen) [seen, movedAt] = [now, performance.now()];
      else if (performance.now() - movedAt > TELL_AFTER_MS) {
        say(`nothing has moved for ${secondsSince(movedAt)}: round ${seen}`);
        movedAt = performance.now();
      }
      looking = nextLook();
    }
    if (signal.aborted) throw new Error(`time is up in round ${seen}`);
    const misused = processes.ownEnds.find(({ how }) => how === `exit ${MISUSED}`);
    if (misused !== undefined) throw new Error(`${misused.name} was started wrongly: ${misused.lastWords}`);
  }
  say(`complete after ${secondsSince(beganAt)}`);
  const over = Promise.all([Promise.all(falling), ...PEERS.map((name) => processes.done(name))]);
  const [fallen] = await Promise.race([over, aborted(signal, "time is up, and not every peer has ended")]);
  say(`everybody has ended after ${secondsSince(beganAt)}`);
  return { status: await readStatus(ordeal.context), fallen };

  async function nextLook(): Promise<RunStatus | null> {
    await sleep(LOOK_MS);
    return look(ordeal);
  }

  async function deal(blow: Blow, { round, moment }: Point): Promise<Fallen> {
    say(`${secondsSince(beganAt)}: ${nameOf(blow)} (falls in round ${round}, ${moment})`);
    const hit = await blow.threat.strike(blow.victim, blow.seconds);
    if (!hit) say(`${nameOf(blow)} has hit nobody`);
    return { blow: nameOf(blow), round, hit };
  }
}

/** Null: the store does not answer just now. */
async function look({ context }: Ordeal): Promise<RunStatus | null> {
  try {
    return await readStatus(context, context.complete.length + 1);
  } catch (error) {
    if (isOuterloopError(error, "store-unreachable") || isOuterloopError(error, "store-busy")) return null;
    throw error;
  }
}

function aborted(signal: AbortSignal, message: string): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(new Error(message));
    signal.addEventListener("abort", () => reject(new Error(message)), { once: true });
  });
}

/** Every blow fell in its round and hit. */
export function expectHits(blows: readonly Blow[], fallen: readonly Fallen[]): void {
  expect(fallen).toEqual(blows.map((blow) => ({ blow: nameOf(blow), round: blow.round, hit: true })));
}

/** Nobody ended or complained but of what a blow does. */
export function expectNoFaults({ processes }: Ordeal): void {
  const complaints = [...processes.lines].flatMap(([name, lines]) =>
    lines.filter((line) => !line.includes('"level":"info"')).map((line) => ({ name, line })),
  );
  expect(complaints.filter(({ line }) => !EXCUSE.test(line))).toEqual([]);
  expect(processes.ownEnds.filter(({ lastWords }) => !EXCUSE.test(lastWords))).toEqual([]);
}

/** What must hold at the end. */
export async function expectWhole(ordeal: Ordeal, status: RunStatus): Promise<void> {
  const { context, current, dataDir, processes, gateway, authority } = ordeal;
  const { history } = status;
  expect(history.map(({ round }) => round)).toEqual(Array.from({ length: ROUNDS }, (_, i) => i + 1));

  // Nothing acknowledged is missing.
  expect(gateway.acknowledged.length).toBeGreaterThanOrEqual(LEAST_ACKNOWLEDGED);
  const missing: unknown[] = [];
  for (const { round, peer, commit } of gateway.acknowledged) {
    const { close } = await readFinishedRound(context, round);
    const verdict = close.body.submissions.find((one) => one.peer === peer);
    if (verdict?.commit !== commit) missing.push({ round, peer, commit, verdict });
  }
  for (const key of gateway.storedKeys) {
    if ((await context.store.head(key)) === null) missing.push({ key });
  }
  expect(missing).toEqual([]);

  // Whoever begins with the genesis and follows the chain arrives at the published parameters, round by round.
  const api = createApiClient({ coordinator: `http://${authority}` });
  const view = await openRunView(api, current.run);
  const start = await downloadState(view, 0);
  if (start === null) throw new Error("no initial parameters");
  const replayed: string[] = [];
  await follow(view, start, {
    onStep: async ({ after }) => void replayed.push(stateHash(view, after.theta)),
  });
  expect(replayed).toEqual(history.map((summary) => summary.stateHash));

  // And so has every peer, by what it said on the way and by what lies on its disk.
  for (const name of PEERS) {
    for (const event of processes.events.get(name) ?? []) {
      if (event.kind === "applied")
        expect([name, event.round, event.stateHash]).toEqual([
          name,
          event.round,
          history[event.round - 1]?.stateHash,
        ]);
    }
    const folder = join(folders.member(dataDir, current.run, name), "state");
    const state = await (await openPeerStateStore(folder, current.run)).load();
    expect([name, state?.round, state && stateHash(view, state.parameters)]).toEqual([
      name,
      ROUNDS,
      history.at(-1)?.stateHash,
    ]);
  }

  // Something was learnt on the way, and not in one round alone.
  expect(countOf(status, "applied")).toBeGreaterThanOrEqual(LEAST_APPLIED);
  expect(history.at(-1)?.heldOutLoss).toBeLessThan(status.initialHeldOutLoss ?? 0);
}

const countOf = ({ history }: RunStatus, outcome: RoundSummary["outcome"]) =>
  history.filter((summary) => summary.outcome === outcome).length;

/** How it went, for people. */
export function summarise({ processes, gateway, say }: Ordeal, status: RunStatus): void {
  const { history } = status;
  const count = (outcome: RoundSummary["outcome"]) => countOf(status, outcome);
  const commits = history.map(({ selected, refused }) => selected.length + refused.length);
  say(
    `${history.length} rounds: ${count("applied")} applied, ${count("empty")} empty, ${count("void")} void; ` +
      `${commits.reduce((sum, n) => sum + n, 0)} receipts, ${gateway.acknowledged.length} acknowledgements, ` +
      `${gateway.storedKeys.size} other promises`,
  );
  say(`starts: ${[...processes.starts].map(([name, times]) => `${name} ${times}`).join(", ")}`);
  for (const { name, how, lastWords } of processes.ownEnds) {
    say(`${name} ended by itself (${how}): ${lastWords.split("\n").at(-1)}`);
  }
}
