/**
 * Virtual time: what is to happen, in the order of its time; things of the same moment in a drawn order.
 *
 * Between two events everything that can go on without waiting goes on. So whatever happens between two events of one
 * process is atomic, and every wait is a point at which somebody else may go first, or the process may die.
 *
 * @module
 */
import type { Random } from "./random.ts";

interface Event {
  atMs: number;
  /** Drawn: settles the order of one moment. */
  tie: number;
  /** Null: cancelled. */
  act: (() => void) | null;
}

/** Something that runs and can die. What waits for a dead process waits for ever: its promises never settle. */
export interface Process {
  readonly name: string;
  /** Everything that is drawn for it. */
  readonly random: Random;
  alive: boolean;
  /** Called once when it dies. */
  onDeath?: () => void;
}

export class Scheduler {
  nowMs: number;
  readonly #random: Random;
  /** Latest first: the next event is at the end. */
  readonly #events: Event[] = [];

  constructor(startMs: number, random: Random) {
    this.nowMs = startMs;
    this.#random = random;
  }

  /** Calls back after `ms`; returns what cancels it. `random`: of the process that waits, if it is one. */
  after(ms: number, act: () => void, random = this.#random): () => void {
    const event: Event = { atMs: this.nowMs + Math.max(0, Math.round(ms)), tie: random.uint32(), act };
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#events[middle] as Event;
      if (other.atMs > event.atMs || (other.atMs === event.atMs && other.tie > event.tie)) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, event);
    return () => {
      event.act = null;
    };
  }

  /** Resolves after `ms`, if the process is alive by then; else never. */
  wait(process: Process, ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(
        ms,
        () => {
          if (process.alive) resolve();
        },
        process.random,
      );
    });
  }

  /** Takes events until `done`, or until there is none before `untilMs`. `afterEach` sees the world after each. */
  async run(untilMs: number, done: () => boolean, afterEach: () => void | Promise<void>): Promise<void> {
    while (!done()) {
      const event = this.#events.at(-1);
      if (event === undefined || event.atMs > untilMs) return;
      this.#events.pop();
      if (event.act === null) continue;
      this.nowMs = event.atMs;
      event.act();
      await settled();
      await afterEach();
    }
  }
}

/** Everything that does not wait for an event has gone as far as it can. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The process dies now: nothing of it ever goes on. */
export function kill(process: Process): void {
  if (!process.alive) return;
  process.alive = false;
  process.onDeath?.();
}
