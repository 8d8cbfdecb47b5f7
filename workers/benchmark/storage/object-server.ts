/**
 * A thread that serves the objects of a folder as `npm start` does: the embedded coordinator, without any run.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { createFileObjectStore } from "../../../functions/storage/file-object-store.ts";
import { createMemoryQueue } from "../../../functions/storage/memory-queue.ts";
import { MAX_RECEIVES } from "../../../schemas/index.ts";
import { startStack } from "../../local/stack.ts";

export interface ServedFolder {
  root: string;
  port: number;
  ticketSecret: string;
}

/** Nothing is there that a sweep could find. */
const SWEEP_MS = 3_600_000;

const { root, port, ticketSecret }: ServedFolder = workerData;
const host = "127.0.0.1";
const queue = () => createMemoryQueue({ maxReceives: MAX_RECEIVES });
const nobody = async () => null;
await startStack({
  backend: {
    store: createFileObjectStore({ root, ticketSecret, baseUrl: `http://${host}:${port}` }),
    ticks: queue(),
    shards: queue(),
    jobs: queue(),
    objects: { kind: "served", ticketSecret: new TextEncoder().encode(ticketSecret) },
    sweepMs: SWEEP_MS,
    resendSeconds: { shards: 5, jobs: 60 },
  },
  secrets: { coordinator: nobody, api: nobody },
  host,
  port,
  log: (_, message) => process.stderr.write(`${message}\n`),
});
parentPort?.postMessage("ready");
