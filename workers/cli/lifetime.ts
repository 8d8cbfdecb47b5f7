/**
 * How long a command lives: until its work is done, it is told to stop, or the process that started it is gone.
 *
 * @module
 */
import { isOuterloopError } from "../../schemas/index.ts";

/** What a person got wrong, found only after the arguments were read: still bad usage. */
const BAD_USAGE = new Set(["invalid-option", "port-taken", "run-unfinished", "already-running"]);
/** Exit status of bad usage. */
export const MISUSED = 2;
/** Exit status after SIGINT or SIGTERM, as shells report it. */
export const INTERRUPTED = 130;

/**
 * Runs a command that can be told to stop; returns its exit status: its own if it has one, else 0, or {@link INTERRUPTED}
 * if it was told to. A second signal ends the process at once. Errors: as of {@link runToEnd}; `misused`: one that is bad usage for
 * this command.
 */
export async function runUntilStopped(
  command: (signal: AbortSignal) => Promise<unknown>,
  { misused }: { misused?: string } = {},
): Promise<number> {
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
    return explain(error, misused);
  } finally {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
    process.stdout.off("error", onDisconnect);
    if (process.channel !== undefined && process.connected) process.disconnect();
  }
}

/**
 * Runs a command that is over soon and leaves nothing half-done: a signal ends its process, as it does by itself. Whatever
 * a person can mend is one line on stderr; a fault of ours keeps its stack.
 */
export async function runToEnd(command: () => Promise<unknown>): Promise<number> {
  const onDisconnect = () => process.exit(INTERRUPTED);
  process.stdout.on("error", onDisconnect);
  try {
    await command();
    return 0;
  } catch (error) {
    return explain(error);
  } finally {
    process.stdout.off("error", onDisconnect);
  }
}

/** Says what went wrong; returns the exit status. */
function explain(error: unknown, misused?: string): number {
  if (isOuterloopError(error)) {
    process.stderr.write(`outerloop: ${oneLine(error.message)} [${error.code}]\n`);
    return BAD_USAGE.has(error.code) || error.code === misused ? MISUSED : 1;
  }
  if (!isOfSystem(error)) throw error;
  process.stderr.write(`outerloop: ${oneLine(error.message)} (check this file or folder, then repeat)\n`);
  return 1;
}

/** A message may quote a file or a server's answer. */
export function oneLine(message: string): string {
  return message.replace(/\s+/g, " ");
}

/** A file that is not there, a folder that is a file, a full disk: the system's message says which. */
function isOfSystem(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error;
}
