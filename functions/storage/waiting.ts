/**
 * Waiting without a busy loop, on a clock that a test can replace.
 *
 * @module
 */

/** Calls back once after `ms`; returns what cancels it. */
export type Timer = (ms: number, callback: () => void) => () => void;

/** The system's timer. */
export const systemTimer: Timer = (ms, callback) => {
  const handle = setTimeout(callback, ms);
  return () => clearTimeout(handle);
};

/** A place where receivers wait until somebody wakes them or their time is over. */
export interface WaitingRoom {
  /** Resolves after `ms`, or at the next {@link WaitingRoom.wakeAll}. */
  wait(ms: number): Promise<void>;
  /** Ends all waits that have begun. */
  wakeAll(): void;
}

/** An empty waiting room. */
export function createWaitingRoom(timer: Timer = systemTimer): WaitingRoom {
  const waiting = new Set<() => void>();
  return {
    wait(ms) {
      return new Promise((resolve) => {
        const end = () => {
          cancel();
          waiting.delete(end);
          resolve();
        };
        const cancel = timer(ms, end);
        waiting.add(end);
      });
    },
    wakeAll() {
      for (const end of [...waiting]) end();
    },
  };
}
