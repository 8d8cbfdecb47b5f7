import { expect, it } from "vitest";
import { EngineClient } from "./engine-client.ts";
import type { EngineTask } from "./engine-messages.ts";
import { tinySpec } from "./testing/fixtures.ts";

const task: EngineTask = { kind: "evaluate", spec: tinySpec, batchSize: 1, threads: 1 };

it("a thread that dies rejects the calls in progress and all that follow, and can still be closed", async () => {
  const client = await EngineClient.start(task, new URL("./testing/crashing-worker.ts", import.meta.url));
  const stopped = {
    name: "OuterloopError",
    code: "engine-stopped",
    message: expect.stringMatching("out of luck"),
  };
  const inProgress = await Promise.allSettled([client.call("read", null), client.call("read", null)]);
  expect(inProgress).toMatchObject([{ reason: stopped }, { reason: stopped }]);
  await expect(client.call("read", null)).rejects.toMatchObject(stopped);
  await client.close();
  await expect(client.call("read", null)).rejects.toMatchObject({ code: "engine-closed" });
});

it("an engine refuses calls of the other kind, and works on", async () => {
  const client = await EngineClient.start(task);
  await expect(client.call("read", null)).rejects.toMatchObject({ code: "engine-call" });
  await expect(client.call("open", null)).resolves.toMatchObject({ provider: "cpu" });
  await client.close();
});
