import { beforeEach, describe, expect, it } from "vitest";
import type { Nudge } from "../coordinator/decision.ts";
import { createMemoryQueue } from "../storage/memory-queue.ts";
import type { Queue } from "../storage/queue.ts";
import { createNudger, type NudgerOptions } from "./nudger.ts";

const RUN = `run-${"0".repeat(32)}`;
const job: Nudge = { queue: "jobs", message: { type: "judge", run: RUN, round: 1, job: "1", others: [] } };
const shard: Nudge = { queue: "shards", message: { type: "state", run: RUN, round: 1, shard: 0 } };

let nowMs: number;
let sent: string[];
let fails: boolean;
beforeEach(() => {
  nowMs = 0;
  sent = [];
  fails = false;
});

function nudgerWith(options: Partial<NudgerOptions> = {}) {
  const queue = (name: string): Queue => ({
    ...createMemoryQueue({ maxReceives: 5 }),
    async send() {
      if (fails) throw new Error("the queue is away");
      sent.push(name);
    },
  });
  const queues = { shards: queue("shards"), jobs: queue("jobs") };
  return createNudger(queues, { resendSeconds: { shards: 10, jobs: 60 }, now: () => nowMs, ...options });
}

describe("a nudger", () => {
  it("asks for the same work once in a while, in each queue's own time", async () => {
    const nudger = nudgerWith();
    await nudger.send([job, shard, job]);
    nowMs = 10_000;
    await nudger.remind([job, shard], 10_000);
    expect(sent).toEqual(["jobs", "shards", "shards"]);
    nowMs = 60_000;
    await nudger.remind([job], 60_000);
    expect(sent.at(-1)).toBe("jobs");
  });

  it("waits with a reminder of what another process has asked for, but not with a request of its own", async () => {
    const nudger = nudgerWith({ sentElsewhere: ["jobs"] });
    await nudger.remind([job, shard], 0);
    await nudger.remind([job], 59_999);
    expect(sent).toEqual(["shards"]);
    // However new this process is: what counts is how long ago the phase was entered.
    await nudger.remind([job], 60_000);
    await nudger.remind([job], 61_000);
    expect(sent).toEqual(["shards", "jobs"]);

    const other: Nudge = { queue: "jobs", message: { type: "held-out", run: RUN, round: 1 } };
    await nudger.send([other]);
    expect(sent).toHaveLength(3);
  });

  it("does not take for sent what the queue refused", async () => {
    const nudger = nudgerWith();
    fails = true;
    await expect(nudger.send([job])).rejects.toThrow("the queue is away");
    fails = false;
    await nudger.remind([job], 0);
    expect(sent).toEqual(["jobs"]);
  });
});
