/**
 * What a worker tells whoever started it: over the process channel where there is one, else as lines for people.
 *
 * @module
 */

/** One thing that happened; `at` is milliseconds since 1970 on this machine. */
export type WorkerEvent =
  | { kind: "ready"; who: string; at: number }
  | { kind: "step"; round: number; step: number; of: number; loss: number; at: number }
  | { kind: "committed"; round: number; bytes: number; at: number }
  | { kind: "uploaded"; round: number; at: number }
  | { kind: "applied"; round: number; outcome: string; stateHash: string; at: number }
  | { kind: "judged"; round: number; job: string; at: number }
  | { kind: "held-out"; round: number; loss: number; at: number }
  | { kind: "note"; text: string; at: number };

type WithoutTime<T> = T extends unknown ? Omit<T, "at"> : never;
export type Report = (event: WithoutTime<WorkerEvent>) => void;

/** Sends events to the parent process. */
export function reportToParent(event: WithoutTime<WorkerEvent>): void {
  process.send?.({ ...event, at: Date.now() });
}

/** Prints the events that a person at a terminal wants to see. */
export function reportToTerminal(event: WithoutTime<WorkerEvent>): void {
  const line = lineOf(event);
  if (line !== null) process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
}

function lineOf(event: WithoutTime<WorkerEvent>): string | null {
  switch (event.kind) {
    case "ready":
      return `ready as ${event.who}`;
    case "step":
      return event.step === event.of
        ? `round ${event.round}: trained ${event.of} steps, loss ${event.loss.toFixed(3)}`
        : null;
    case "committed":
      return `round ${event.round}: committed ${event.bytes} bytes`;
    case "uploaded":
      return `round ${event.round}: uploaded`;
    case "applied":
      return `round ${event.round}: ${event.outcome}, state ${event.stateHash.slice(0, 12)}`;
    case "judged":
      return `round ${event.round}: judged job ${event.job}`;
    case "held-out":
      return `round ${event.round}: held-out loss ${event.loss.toFixed(4)}`;
    case "note":
      return event.text;
  }
}
