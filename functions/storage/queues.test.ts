import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createManualClock } from "./contract-harness.ts";
import { createFileQueue } from "./file-queue.ts";
import { createHttpQueue } from "./http-queue.ts";
import { createMemoryQueue } from "./memory-queue.ts";
import { describeQueueContract } from "./queue.contract.ts";
import { CONSUMER_OPERATIONS, queueRoutes } from "./queue-routes.ts";

describeQueueContract("memory", async ({ maxReceives }) => {
  const clock = createManualClock();
  return {
    queue: createMemoryQueue({ maxReceives, ...clock }),
    passTime: clock.passTime,
    close: async () => {},
  };
});

describeQueueContract("file", async ({ maxReceives }) => {
  const clock = createManualClock();
  const root = mkdtempSync(join(tmpdir(), "outerloop-queue-"));
  return {
    queue: createFileQueue({ root, maxReceives, ...clock }),
    passTime: clock.passTime,
    close: async () => rmSync(root, { recursive: true }),
  };
});

describeQueueContract("http", async ({ maxReceives }) => {
  const clock = createManualClock();
  const expose = [...CONSUMER_OPERATIONS, "send", "dead-letters"] as const;
  const routes = queueRoutes({ queue: createMemoryQueue({ maxReceives, ...clock }), expose });
  const fetch = async (url: string, init: RequestInit) => routes.request(url, init);
  const queue = createHttpQueue({ baseUrl: "http://api.test", fetch });
  return { queue, passTime: clock.passTime, close: async () => {} };
});
