/**
 * What becomes of a message that failed: it comes again, or it is buried among the dead letters with its reason.
 *
 * @module
 */
import { isOuterloopError, MAX_RECEIVES } from "../../schemas/index.ts";
import type { Message, Queue } from "../storage/queue.ts";
import type { Failure } from "./dispatch.ts";
import type { Log } from "./environment.ts";

/** With these a message fails every time: nothing is gained by reading it again. */
const POISON = new Set(["malformed-message", "no-such-run", "invalid-key"]);

/**
 * Buries what is poison and what failed for the last time; returns the messages that are to come again. Losing a
 * message loses no work: messages are hints, and the sweep finds what they were about.
 */
export async function settleFailures(
  queue: Queue,
  failures: readonly Failure[],
  log: Log,
): Promise<Message[]> {
  const again: Message[] = [];
  for (const { message, error } of failures) {
    const reason = String(error);
    const poison = isOuterloopError(error) && POISON.has(error.code);
    const last = poison || message.receives >= MAX_RECEIVES;
    log(last ? "error" : "warning", `${message.body.slice(0, 500)} failed: ${reason}`, {
      error,
      messageId: message.id,
      receives: message.receives,
      buried: last,
    });
    if (!last || !(await bury(queue, message, reason, log))) again.push(message);
  }
  return again;
}

/** False: the queue did not take it; then its own limit of receives buries the message, without a reason. */
async function bury(queue: Queue, message: Message, reason: string, log: Log): Promise<boolean> {
  try {
    await queue.bury(message, reason);
    return true;
  } catch (error) {
    log("warning", `message ${message.id} could not be buried: ${String(error)}`, { error });
    return false;
  }
}
