/**
 * How long a command lives: until its work is done, it is told to stop, or the process that started it is gone.
 *
 * @module
 */
import { isOuterloopError } from "../../schemas/index.ts";

/** What a person got wrong, found only after the arguments were read: still bad usage. */
const BAD_USAGE = new Set(["port-taken", "run-unfinished"]);
/** Exit status of bad usage. */
export const MISUSED = 2;
/** Exit status after SIGINT or SIGTERM, as shells report it. */
export const INTERRUPTED = 130;

/** Runs a command; returns its exit status. A typed error is one line on stderr, anything else keeps its stack. */
export async function runUntilStopped(command: (signal: AbortSignal) => Promise<void>): Promise<number> {
  const stop = new AbortController();
  const abort = () => stop.abort();
  process.once("SIGINT", abort);
  process.once("SIGTERM", abort);
  // Children end when their parent does, kill -9 included: the channel closes with it.
  if (process.channel !== undefined) {
    process.once("disconnect", abort);
    process.channel.unref();
  }
  try {
    await command(stop.signal);
    return 0;
  } catch (error) {
    if (stop.signal.aborted) return INTERRUPTED;
    if (!isOuterloopError(error)) throw error;
    process.stderr.write(`outerloop: ${error.message} [${error.code}]\n`);
    return BAD_USAGE.has(error.code) ? MISUSED : 1;
  } finally {
    if (process.channel !== undefined && process.connected) process.disconnect();
  }
}
