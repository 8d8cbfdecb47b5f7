/**
 * The contracts' harnesses for the adapters that need no service.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serve } from "@hono/node-server";
import { createManualClock } from "../contract-harness.ts";
import { createFileObjectStore } from "../file-object-store.ts";
import { createFileQueue } from "../file-queue.ts";
import { createHttpQueue } from "../http-queue.ts";
import { createMemoryObjectStore } from "../memory-object-store.ts";
import { createMemoryQueue } from "../memory-queue.ts";
import { objectRoutes } from "../object-routes.ts";
import type { ObjectStoreHarness } from "../object-store.contract.ts";
import type { EventedObjectStore } from "../object-store.ts";
import type { QueueFactory } from "../queue.contract.ts";
import { CONSUMER_OPERATIONS, queueRoutes } from "../queue-routes.ts";
import type { TicketOptions } from "../tickets.ts";

const ticketSecret = "a secret of the test suite";

/** The store, and a server at the address that its tickets name. */
async function served(
  create: (options: TicketOptions & { now: () => number }) => EventedObjectStore,
  cleanUp: () => void = () => {},
): Promise<ObjectStoreHarness> {
  const clock = createManualClock();
  let routes: (request: Request) => Response | Promise<Response> = () => new Response(null, { status: 503 });
  const server = serve({ fetch: (request) => routes(request), port: 0, hostname: "127.0.0.1" });
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  const store = create({ ticketSecret, baseUrl: `http://127.0.0.1:${port}`, now: clock.now });
  routes = objectRoutes({ store, ticketSecret, now: clock.now }).fetch;
  return {
    store,
    passTime: clock.passTime,
    listen: store.onCreated,
    close: async () => {
      await new Promise((resolve) => server.close(resolve));
      cleanUp();
    },
  };
}

/** Factories for `describeObjectStoreContract` and `describeTicketContract`. */
export const localStores: Readonly<Record<"memory" | "file", () => Promise<ObjectStoreHarness>>> = {
  memory: () => served(createMemoryObjectStore),
  file: () => {
    const root = mkdtempSync(join(tmpdir(), "outerloop-objects-"));
    return served(
      (options) => createFileObjectStore({ ...options, root }),
      () => rmSync(root, { recursive: true }),
    );
  },
};

/** Factories for `describeQueueContract`. */
export const localQueues: Readonly<Record<"memory" | "file" | "HTTP", QueueFactory>> = {
  async memory({ maxReceives }) {
    const clock = createManualClock();
    return {
      queue: createMemoryQueue({ maxReceives, ...clock }),
      passTime: clock.passTime,
      close: async () => {},
    };
  },

  async file({ maxReceives }) {
    const clock = createManualClock();
    const root = mkdtempSync(join(tmpdir(), "outerloop-queue-"));
    return {
      queue: createFileQueue({ root, maxReceives, ...clock }),
      passTime: clock.passTime,
      close: async () => rmSync(root, { recursive: true }),
    };
  },

  async HTTP({ maxReceives }) {
    const clock = createManualClock();
    const expose = [...CONSUMER_OPERATIONS, "send", "bury", "dead-letters"] as const;
    const routes = queueRoutes({ queue: createMemoryQueue({ maxReceives, ...clock }), expose });
    const fetch = async (url: string, init: RequestInit) => routes.request(url, init);
    const queue = createHttpQueue({ baseUrl: "http://api.test", fetch });
    return { queue, passTime: clock.passTime, close: async () => {} };
  },
};
