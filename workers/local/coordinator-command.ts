/**
 * `outerloop coordinator`: serves the newest run of a data folder.
 *
 * @module
 */
import { once } from "node:events";
import type { Log } from "../../functions/triggers/environment.ts";
import { codecNote } from "../../native/codec.ts";
import { OuterloopError } from "../../schemas/index.ts";
import { reporter } from "../peer/command.ts";
import { readCurrentRun } from "./run-folder.ts";
import { startStack } from "./stack.ts";

export interface CoordinatorOptions {
  dataDir: string;
  port: number;
}

export async function coordinatorCommand(
  { dataDir, port }: CoordinatorOptions,
  signal: AbortSignal,
): Promise<void> {
  const current = await readCurrentRun(dataDir);
  if (current === null) {
    throw new OuterloopError(
      "no-such-run",
      `${dataDir} holds no run: \`outerloop up --data-dir ${dataDir}\` makes one`,
    );
  }
  const stack = await startStack({ dataDir, current, host: "127.0.0.1", port, log });
  const report = reporter();
  const note = codecNote();
  if (note !== null) report({ kind: "note", text: note });
  report({ kind: "ready", who: stack.url });
  if (!signal.aborted) await once(signal, "abort");
  await stack.close();
}

/** One JSON object a line on stderr: for machines, and for whoever looks for a fault. */
const log: Log = (level, message, fields = {}) => {
  const { error, ...rest } = fields;
  const stack = error instanceof Error ? { stack: error.stack } : {};
  process.stderr.write(
    `${JSON.stringify({ at: new Date().toISOString(), level, message, ...rest, ...stack })}\n`,
  );
};
