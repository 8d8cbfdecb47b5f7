import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serve } from "@hono/node-server";
import { createManualClock } from "./contract-harness.ts";
import { createFileObjectStore } from "./file-object-store.ts";
import { createMemoryObjectStore } from "./memory-object-store.ts";
import { objectRoutes } from "./object-routes.ts";
import { describeObjectStoreContract, type ObjectStoreHarness } from "./object-store.contract.ts";
import type { ObjectStore } from "./object-store.ts";
import { describeTicketContract } from "./tickets.contract.ts";
import type { TicketOptions } from "./tickets.ts";

const ticketSecret = "a secret of the test suite";

/** The store, and a server at the address that its tickets name. */
async function served(
  create: (options: TicketOptions & { now: () => number }) => ObjectStore,
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
    close: async () => {
      await new Promise((resolve) => server.close(resolve));
      cleanUp();
    },
  };
}

const memory = () => served(createMemoryObjectStore);
const file = () => {
  const root = mkdtempSync(join(tmpdir(), "outerloop-objects-"));
  return served(
    (options) => createFileObjectStore({ ...options, root }),
    () => rmSync(root, { recursive: true }),
  );
};

for (const [name, factory] of [
  ["memory", memory],
  ["file", file],
] as const) {
  describeObjectStoreContract(name, factory);
  describeTicketContract(name, factory);
}
