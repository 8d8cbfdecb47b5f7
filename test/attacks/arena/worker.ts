/**
 * A process that plays what it is told: one attack with one seed, or one study.
 *
 * @module
 */
import { mobyDick } from "../../../workers/local/quick-start.ts";
import { attacks } from "../kinds/index.ts";
import { arenaConfig } from "./config.ts";
import { Gym } from "./gym.ts";
import { type Outcome, outcomeOf } from "./measure.ts";
import { type Played, play } from "./play.ts";
import { type Detected, detect, type JudgingCost, judgingCost, sybilShare } from "./studies.ts";

export type Task =
  | { kind: "attack"; name: string; seed: number; rounds: number }
  | { kind: "detection"; rule: "matrix" | "published"; seed: number; rounds: number }
  | { kind: "sybils"; keys: 5 | 20; seed: number; rounds: number }
  | { kind: "cost"; peers: number };

export type Result =
  | { kind: "attack"; name: string; outcome: Outcome }
  | { kind: "detection"; rule: "matrix" | "published"; detected: Detected }
  | { kind: "sybils"; keys: 5 | 20; ratio: number }
  | { kind: "cost"; cost: JudgingCost };

const tokens = Uint16Array.from(mobyDick());
const gym = await Gym.open(arenaConfig, tokens);
let clean: { seed: number; rounds: number; played: Played } | undefined;

/** The run without attackers, played once a seed: what was trained in it need not be trained again. */
async function cleanRun(seed: number, rounds: number): Promise<Played> {
  if (clean?.seed === seed && clean.rounds === rounds) return clean.played;
  gym.forget();
  gym.remembers = true;
  clean = { seed, rounds, played: await play({ seed, gym, tokens, rounds }) };
  gym.remembers = false;
  return clean.played;
}

/** Second opinions must cost what they cost. */
async function costOf(peers: number): Promise<JudgingCost> {
  const forgetful = await Gym.open(arenaConfig, tokens, { remembersLosses: false });
  try {
    return await judgingCost({ gym: forgetful, tokens, peers });
  } finally {
    await forgetful.close();
  }
}

async function done(task: Task): Promise<Result> {
  switch (task.kind) {
    case "attack": {
      const { name, seed, rounds } = task;
      const attack = attacks.find((one) => one.name === name);
      const before = await cleanRun(seed, rounds);
      return {
        kind: "attack",
        name,
        outcome: outcomeOf(await play({ seed, gym, tokens, rounds, attack }), before),
      };
    }
    case "detection":
      return { kind: "detection", rule: task.rule, detected: await detect({ gym, tokens, ...task }) };
    case "sybils":
      return { kind: "sybils", keys: task.keys, ratio: await sybilShare({ gym, tokens, ...task }) };
    case "cost":
      return { kind: "cost", cost: await costOf(task.peers) };
  }
}

process.on("message", async (task: Task | "end") => {
  if (task === "end") {
    await gym.close();
    process.disconnect();
    return;
  }
  process.send?.(await done(task));
});
