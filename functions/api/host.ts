/**
 * What a peer or an evaluator has of the machine it runs on: a network, a clock, time to wait. The simulator brings its
 * own.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";

export interface Host {
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** Milliseconds since 1970. */
  now(): number;
  /** Rejects as soon as `signal` aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** From 0 to 1, 1 excluded. */
  random(): number;
}

export const systemHost: Host = {
  fetch: (url, init) => fetch(url, init),
  now: Date.now,
  sleep: (ms, signal) => sleep(ms, undefined, signal === undefined ? {} : { signal }),
  random: Math.random,
};
