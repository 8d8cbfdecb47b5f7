import { describe, expect, it } from "vitest";
import { nextRestart } from "./children.ts";

describe("the restarts of a child", () => {
  it("wait longer each time, and end", () => {
    const waits: number[] = [];
    let next = nextRestart(0, 0);
    while (next !== null) {
      waits.push(next.delayMs);
      next = nextRestart(next.restarts, 1_000);
    }
    expect(waits).toEqual([200, 800, 3_200, 12_800]);
  });

  it("begin anew after a life of half a minute, so that rare deaths never add up", () => {
    expect(nextRestart(4, 29_999)).toBeNull();
    expect(nextRestart(4, 30_000)).toEqual({ restarts: 1, delayMs: 200 });
  });
});
