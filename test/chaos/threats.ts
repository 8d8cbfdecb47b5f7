/**
 * Blows that need nothing but the processes and what stands between them.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Gateway } from "./gateway.ts";
import type { Threat } from "./plan.ts";
import type { Processes } from "./processes.ts";
import { EVALUATORS, PEERS } from "./run.ts";

/** Outlasts the lease of an evaluator's job (5 s) and most windows of the run. */
export const LONG_SECONDS = [6, 8] as const;
export const SHORT_SECONDS = [2, 4] as const;
/** Outlasts the time from a roster to the cutoff (7 s). */
const TOO_LONG_SECONDS = [9, 10] as const;
const STUTTERS = 30;
const STUTTER_MS = 100;

export function commonThreats(processes: Processes, gateway: Gateway): Threat[] {
  const { kill, suspend } = processes;
  const deadly = { what: "SIGKILL of", seconds: null, strike: kill };
  const numbing = { what: "SIGSTOP of", seconds: LONG_SECONDS, strike: suspend };
  const groups = [["coordinator"], EVALUATORS, PEERS];
  return [
    ...groups.map((victims) => ({ ...deadly, victims })),
    ...groups.map((victims) => ({ ...numbing, victims })),
    {
      what: "SIGSTOP, then a stutter, of",
      victims: PEERS,
      moments: ["train"],
      seconds: TOO_LONG_SECONDS,
      // It misses a round, so that nobody waits for it; then it is slower than the others, and commits while they close.
      async strike(victim, seconds) {
        const hit = await suspend(victim, seconds);
        for (let i = 0; i < STUTTERS; i++) {
          await sleep(STUTTER_MS);
          await suspend(victim, (2 * STUTTER_MS) / 1_000);
        }
        return hit;
      },
    },
    {
      what: "all evaluators get SIGKILL as does",
      victims: ["coordinator"],
      seconds: null,
      strike: async (victim) => (await Promise.all([victim, ...EVALUATORS].map(kill))).every(Boolean),
    },
    {
      what: "connections cut to",
      victims: ["coordinator"],
      seconds: SHORT_SECONDS,
      strike: (_, seconds) => gateway.cut(seconds),
    },
    {
      what: "connections slow to",
      victims: ["coordinator"],
      seconds: LONG_SECONDS,
      strike: (_, seconds) => gateway.slow(seconds),
    },
  ];
}
