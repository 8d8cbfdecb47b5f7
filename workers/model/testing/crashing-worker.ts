/**
 * An engine thread that opens, and dies of its first other call.
 *
 * @module
 */
import { parentPort } from "node:worker_threads";
import type { CallMessage } from "../engine-messages.ts";

parentPort?.on("message", ({ id, kind }: CallMessage) => {
  if (kind !== "open") throw new Error("out of luck");
  parentPort?.postMessage({ id, ok: true, reply: null });
});
