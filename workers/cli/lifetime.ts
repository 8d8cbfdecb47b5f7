/**
 * How long a command lives: until its work is done, it is told to stop, or the process that started it is gone.
 *
 * @module
 */
import { isOuterloopError } from "../../schemas/index.ts";

/** What a person got wrong, found only after the arguments were read: still bad usage. */
const BAD_USAGE = new Set(["port-taken", "run-unfinished", "already-running"]);
/** Exit status of bad usage. */
export const MISUSED = 2;
/** Exit status after SIGINT or SIGTERM, as shells report it. */
export const INTERRUPTED = 130;

/**
 * Runs a command; returns its exit status: its own if it has one, else 0, or {@link INTERRUPTED} if it was told to stop.
 * A typed error is one line on stderr, anything else keeps its stack. A second signal ends the process at once.
 */
export async function runUntilStopped(command: (signal: AbortSignal) => Promise<unknown>): Promise<number> {
  const stop = new AbortController();
  // The listener stays: a library that restores the terminal ends the process when it finds itself alone with a signal.
  const onSignal = () => {
    if (stop.signal.aborted) process.exit(INTERRUPTED);
    stop.abort();
  };
  const onDisconnect = () => stop.abort();
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  // Whoever read our output is gone: nobody is left to work for.
  process.stdout.on("error", onDisconnect);
  // Children end when their parent does, kill -9 included: the channel closes with it.
  if (process.channel !== undefined) {
    process.once("disconnect", onDisconnect);
    process.channel.unref();
  }
  try {
    const status = await command(stop.signal);
    if (typeof status === "number") return status;
    return stop.signal.aborted ? INTERRUPTED : 0;
  } catch (error) {
    if (stop.signal.aborted) return INTERRUPTED;
    if (!isOuterloopError(error)) throw error;
    process.stderr.write(`outerloop: ${error.message} [${error.code}]\n`);
    return BAD_USAGE.has(error.code) ? MISUSED : 1;
  } finally {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
    process.stdout.off("error", onDisconnect);
    if (process.channel !== undefined && process.connected) process.disconnect();
  }
}
