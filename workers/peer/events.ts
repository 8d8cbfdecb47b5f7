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
  | { kind: "tried"; round: number; job: string; tried: number; of: number; at: number }
  | { kind: "judged"; round: number; job: string; updates: number; seconds: number; at: number }
  | { kind: "guarded"; round: number; set: string; at: number }
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

/** The most memory this process ever held. */
function peakMebibytes(): number {
  return Math.round(process.resourceUsage().maxRSS / 1_024);
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
    case "tried":
      return null;
    case "judged":
      return `round ${event.round}: judged ${event.updates} updates of job ${event.job} in ${event.seconds.toFixed(2)} s (${(event.seconds / event.updates).toFixed(3)} s each, ${peakMebibytes()} MiB at most)`;
    case "guarded":
      return `round ${event.round}: tried the sum of the ${event.set} updates`;
    case "held-out":
      return `round ${event.round}: held-out loss ${event.loss.toFixed(4)}`;
    case "note":
      return event.text;
  }
}
