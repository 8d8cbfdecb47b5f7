import { describe, expect, it } from "vitest";
import { isOuterloopError } from "../schemas/errors.ts";
import { decideLimits, shardBytes, shardLimits } from "./limits.ts";
import { readStage } from "./stage.ts";

/** A run of 72 billion parameters: 270 shards of 65,536 chunks, 20 updates a round. */
const large = {
  chunksPerShard: 65_536,
  keep: 64,
  maxSelected: 20,
  shards: 270,
  maxPeers: 20,
  stateEveryRounds: 1,
};
const MB = 1e6;
const GIB = 2 ** 30;

describe("the memory of a shard", () => {
  it("of the largest size is that of the plan: 5.5 MB a payload, 110 MB for twenty of them", () => {
    const { payload, dense } = shardBytes(large);
    expect(payload).toBeCloseTo(5.5 * MB, -5);
    expect(20 * payload).toBeCloseTo(110 * MB, -6);
    expect(dense).toBe(GIB);
  });

  it("is under a gigabyte to aggregate it, and the state takes more", () => {
    const { aggregate, check, state } = shardBytes(large);
    expect(aggregate).toBeLessThan(GIB);
    expect(state).toBeGreaterThan(Math.max(aggregate, check));
  });

  it("grows with the payloads that are aggregated together", () => {
    const few = shardLimits({ ...large, chunksPerShard: 8_192, keep: 256, maxSelected: 10 });
    const many = shardLimits({ ...large, chunksPerShard: 8_192, keep: 256, maxSelected: 1_000 });
    expect(many.memoryMB).toBeGreaterThan(few.memoryMB);
    expect(many.timeoutSeconds).toBeGreaterThan(few.timeoutSeconds);
  });
});

describe("the function of a shard", () => {
  it("of the largest size fits Lambda, with time to move a state in and out", () => {
    const { memoryMB, timeoutSeconds } = shardLimits(large);
    expect(memoryMB).toBeGreaterThan(4 * 1_024);
    expect(memoryMB).toBeLessThanOrEqual(10_240);
    // Two gigabytes at 40 MB/s are 54 s.
    expect(timeoutSeconds).toBeGreaterThan(100);
    expect(timeoutSeconds).toBeLessThanOrEqual(900);
  });

  it("of the quick start is the smallest there is", () => {
    expect(shardLimits({ ...large, chunksPerShard: 40, maxSelected: 4 })).toEqual({
      memoryMB: 1_024,
      timeoutSeconds: 31,
    });
  });

  it("has time for every round that a state is behind the one before", () => {
    const [each, every21] = [1, 21].map((stateEveryRounds) => shardLimits({ ...large, stateEveryRounds }));
    expect(every21?.memoryMB).toBe(each?.memoryMB);
    // 20 more rounds of 110 MB at 40 MB/s and 268 million elements at 30 ns, threefold.
    expect(Number(every21?.timeoutSeconds) - Number(each?.timeoutSeconds)).toBeCloseTo(20 * 3 * 10.8, -1);
    expect(() => shardLimits({ ...large, stateEveryRounds: 22 })).toThrow(
      expect.objectContaining({ code: "shard-too-slow" }),
    );
  });

  it("is refused where Lambda has none so large", () => {
    const tooMany = { ...large, keep: 256, maxSelected: 1_000 };
    expect(() => shardLimits(tooMany)).toThrow(expect.objectContaining({ code: "shard-too-large" }));
  });
});

describe("the functions that decide", () => {
  it("hold a round of twenty peers of 270 shards, or of ten thousand of four, in a small function", () => {
    expect(decideLimits(large).memoryMB).toBe(1_024);
    const crowd = decideLimits({ ...large, shards: 4, maxPeers: 10_000 });
    expect(crowd.memoryMB).toBeLessThan(2_048);
    // 20,004 requests, 32 at a time, and a hundred pages of listings: some 700 in turn, not 20,000.
    expect(crowd.timeoutSeconds).toBeGreaterThan(100);
    expect(crowd.timeoutSeconds).toBeLessThan(200);
  });

  it("are refused where the round takes longer than a function may, rather than cut off", () => {
    const wide = { ...large, shards: 3, maxPeers: 100_000 };
    expect(() => decideLimits(wide)).toThrow(
      expect.objectContaining({ code: "too-many-peers", message: expect.stringContaining("900 s") }),
    );
  });

  it("are refused where the round does not fit", () => {
    try {
      decideLimits({ ...large, maxPeers: 100_000 });
      expect.unreachable();
    } catch (error) {
      expect(isOuterloopError(error, "too-many-peers")).toBe(true);
    }
  });

  it("of a stage without settings are moderate", () => {
    const { size } = readStage("test", {});
    expect(shardLimits(size)).toEqual({ memoryMB: 1_024, timeoutSeconds: 55 });
    expect(decideLimits(size).timeoutSeconds).toBe(62);
  });
});
