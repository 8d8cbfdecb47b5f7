/**
 * Keeping a lease while the work goes on: long jobs neither come again while somebody works on them, nor stay away for
 * long when that somebody dies.
 *
 * @module
 */
import { isOuterloopError } from "../../schemas/errors.ts";
import type { Message, Queue } from "./queue.ts";
import { leaseLost } from "./queue-checks.ts";
import { systemTimer, type Timer } from "./waiting.ts";

/**
 * Does the work on a message that was just leased for `leaseSeconds`, and extends the lease by as much at every third of
 * it. When the lease is lost, the work's signal aborts with `lease-lost`: somebody else has the message, or will. A queue
 * that does not answer is asked again at the next third, until the lease must have ended.
 *
 * @returns what the work returns. It is not acknowledged here: the caller knows what its outcome means.
 */
export async function keepLease<T>(
  queue: Queue,
  message: Message,
  leaseSeconds: number,
  work: (signal: AbortSignal) => Promise<T>,
  { timer = systemTimer }: { timer?: Timer } = {},
): Promise<T> {
  const lost = new AbortController();
  const leaseEnded = new Promise((resolve) => lost.signal.addEventListener("abort", resolve, { once: true }));
  const leaseMs = leaseSeconds * 1000;
  let over = false;
  let cancelBeat = () => {};
  let cancelEnd = () => {};
  let beating = Promise.resolve();

  const beat = async (): Promise<void> => {
    // From when it is asked: the service's lease may begin then.
    const cancelNewEnd = timer(leaseMs, end);
    try {
      await queue.extend(message, leaseSeconds);
      cancelEnd();
      cancelEnd = cancelNewEnd;
    } catch (error) {
      cancelNewEnd();
      if (isOuterloopError(error, "lease-lost")) return end(error);
    }
    schedule();
  };
  const schedule = () => {
    if (over) return cancelEnd();
    cancelBeat = timer(leaseMs / 3, () => {
      beating = beat();
    });
  };
  const end = (error = leaseLost(message.id)) => {
    over = true;
    cancelBeat();
    cancelEnd();
    lost.abort(error);
  };

  schedule();
  cancelEnd = timer(leaseMs, end);
  try {
    return await work(lost.signal);
  } finally {
    over = true;
    cancelBeat();
    // One on its way would come after what the caller does with the message next, and hide it again.
    await Promise.race([beating, leaseEnded]);
    cancelEnd();
  }
}
