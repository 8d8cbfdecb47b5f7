/**
 * `outerloop coordinator`: API, page and functions in one process, for the newest run of a data folder or for the runs
 * of a bucket.
 *
 * @module
 */
import { once } from "node:events";
import { openSecretStore } from "../../functions/secrets/open-secret-store.ts";
import type { Log } from "../../functions/triggers/environment.ts";
import { codecNote } from "../../native/codec.ts";
import { OuterloopError } from "../../schemas/index.ts";
import { reporter } from "../peer/command.ts";
import { type CloudStorage, readCurrentRun, secretsOfCurrent } from "./run-folder.ts";
import { type StackOptions, startStack } from "./stack.ts";
import { openBackend, openCloudBackend } from "./storage.ts";

export interface CoordinatorOptions {
  /** A folder that `up` made, or a bucket with the place of its runs' secrets. */
  serves: { dataDir: string } | { storage: CloudStorage; secrets: string };
  host: string;
  port: number;
  authority: string | undefined;
}

export async function coordinatorCommand(
  { serves, host, port, authority }: CoordinatorOptions,
  signal: AbortSignal,
): Promise<void> {
  const stack = await startStack({
    ...("dataDir" in serves
      ? // Workers follow tickets to the host by which they know the coordinator, and to no other.
        await ofFolder(serves.dataDir, `http://${authority ?? `${host}:${port}`}`)
      : await ofBucket(serves.storage, serves.secrets)),
    host,
    port,
    authority,
    notificationToken: process.env.OUTERLOOP_EVENTS_TOKEN,
    log,
  });
  const report = reporter();
  const note = codecNote();
  if (note !== null) report({ kind: "note", text: note });
  report({ kind: "ready", who: stack.url });
  if (!signal.aborted) await once(signal, "abort");
  await stack.close();
}

type Served = Pick<StackOptions, "backend" | "secrets">;

async function ofFolder(dataDir: string, baseUrl: string): Promise<Served> {
  const current = await readCurrentRun(dataDir);
  if (current === null) {
    throw new OuterloopError(
      "no-such-run",
      `${dataDir} holds no run: \`outerloop up --data-dir ${dataDir}\` makes one`,
    );
  }
  return { backend: await openBackend(dataDir, current, baseUrl), secrets: secretsOfCurrent(current) };
}

async function ofBucket(storage: CloudStorage, secrets: string): Promise<Served> {
  return {
    backend: await openCloudBackend(storage),
    secrets: await openSecretStore(secrets, storage.region),
  };
}

/** One JSON object a line on stderr: for machines, and for whoever looks for a fault. */
const log: Log = (level, message, fields = {}) => {
  const { error, ...rest } = fields;
  const stack = error instanceof Error ? { stack: error.stack } : {};
  process.stderr.write(
    `${JSON.stringify({ at: new Date().toISOString(), level, message, ...rest, ...stack })}\n`,
  );
};
