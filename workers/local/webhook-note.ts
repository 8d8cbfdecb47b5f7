/**
 * A store that posts its events was told to which port. Does the coordinator listen there?
 *
 * @module
 */
import { resolveNotify } from "../operator/notifications.ts";
import { identifyServer } from "../operator/server-kind.ts";
import { USUAL_PORT } from "./port.ts";
import type { CurrentRun } from "./run-folder.ts";

/** What to say where nobody chose the port, and it is another than the usual one; null: nothing. */
export async function webhookNote(storage: CurrentRun["storage"], port: number): Promise<string | null> {
  if (storage.kind !== "s3" || port === USUAL_PORT) return null;
  const server = await identifyServer(storage).catch(() => "other" as const);
  if (resolveNotify(storage, server).kind !== "webhook") return null;
  return (
    `port ${USUAL_PORT} is in use, to which the store is told to post its events: unless it posts to ${port}, none is heard, ` +
    `and the sweep finds uploads some seconds later. Free port ${USUAL_PORT}, or tell the store another and name it with --port`
  );
}
