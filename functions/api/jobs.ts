/**
 * The jobs of one run. One queue serves all runs of a coordinator, so jobs of others come up with them.
 *
 * @module
 */
import { evaluatorJob, keys, LONGEST_LEASE_SECONDS } from "../../schemas/index.ts";
import type { Message, Queue } from "../storage/queue.ts";
import { checkReceive } from "../storage/queue-checks.ts";
import type { ApiEnvironment } from "./environment.ts";

/** How long a job of another run stays away: somebody of that run will have asked by then. */
const FOREIGN_SECONDS = 5;

/**
 * What evaluators of a run lease through. They never see a job of another run: it goes back as a new message, since one
 * more receive would bring the old one nearer to the dead letters; once that run is over, it goes.
 */
export function jobsOf(
  run: string,
  environment: Pick<ApiEnvironment, "jobs" | "store" | "holdSeconds" | "log">,
): Queue {
  const { jobs, store, holdSeconds, log } = environment;

  const putBack = async (message: Message, other: string) => {
    const active = (await store.head(keys.active(other))) !== null;
    if (active) await jobs.send(message.body, { delaySeconds: FOREIGN_SECONDS });
    await jobs.ack(message);
  };

  const bounded = (leaseSeconds: number) => Math.min(leaseSeconds, LONGEST_LEASE_SECONDS);
  return {
    ...jobs,
    extend: (message, leaseSeconds) => jobs.extend(message, bounded(leaseSeconds)),
    async receive(options) {
      // An evaluator that waits holds a connection, and where that is paid for it may not wait long.
      const waitSeconds = Math.min(checkReceive(options).waitMs / 1_000, holdSeconds);
      const leaseSeconds = bounded(options.leaseSeconds);
      const endsAt = performance.now() + 1_000 * waitSeconds;
      for (;;) {
        const remaining = Math.max(0, endsAt - performance.now()) / 1_000;
        const messages = await jobs.receive({ ...options, leaseSeconds, waitSeconds: remaining });
        const own = messages.filter((message) => otherRun(message, run) === null);
        for (const message of messages) {
          const other = otherRun(message, run);
          if (other === null) continue;
          // What cannot be put back now comes back when its lease ends; the evaluator's own jobs must not wait for it.
          await putBack(message, other).catch((error: unknown) =>
            log("warning", `a job of ${other} could not be put back: ${String(error)}`, { error }),
          );
        }
        if (own.length > 0 || messages.length === 0 || remaining === 0) return own;
      }
    },
  };
}

/** The run of a job that is not this run's; null: it is, or it is no job at all, which who takes it will find out. */
function otherRun(message: Message, run: string): string | null {
  try {
    const job = evaluatorJob.parse(JSON.parse(message.body));
    return job.run === run ? null : job.run;
  } catch {
    return null;
  }
}
