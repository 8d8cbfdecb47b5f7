import { beforeAll, describe, expect, it } from "vitest";
import { keys, type RoundSummary, type RunStatus } from "../../schemas/index.ts";
import { memoryRunConfig, RunInMemory } from "../coordinator/testing/run-in-memory.ts";
import { readStatus } from "./status.ts";
import { recallHistory } from "./write-view.ts";

let world: RunInMemory;
let picture: RunStatus;
beforeAll(async () => {
  world = await RunInMemory.create("views");
  picture = await readStatus(await world.reader());
});

const round = (number: number, changes: Partial<RoundSummary> = {}): RoundSummary => ({
  round: number,
  outcome: "empty",
  heldOutLoss: 5,
  selected: [],
  refused: [],
  bytesUp: 0,
  bytesDown: 0,
  stateHash: "ab".repeat(32),
  seconds: 1,
  ...changes,
});

/** What a process that has just begun takes over from a picture with these bytes. */
async function recalled(bytes: string): Promise<number[]> {
  const key = keys.statusView(world.run);
  await world.store.delete(key);
  await world.store.putIfAbsent(key, new TextEncoder().encode(bytes));
  const context = await world.reader();
  await recallHistory(context);
  return context.complete.map((summary) => summary.round);
}
const recalledOf = (...history: RoundSummary[]) => recalled(JSON.stringify({ ...picture, history }));

describe("what is recalled from the last picture", () => {
  it("is every round to which nothing is added any more, from the first on", async () => {
    expect(memoryRunConfig.heldOut.everyRounds).toBe(1);
    expect(await recalledOf(round(1), round(2), round(3, { heldOutLoss: null }), round(4))).toEqual([1, 2]);
    expect(await recalledOf(round(1), round(2, { stateHash: null }))).toEqual([1]);
  });

  it("holds rounds that never got all that was due, once nobody asks for it any more", async () => {
    const old = Array.from({ length: 60 }, (_, i) => round(i + 1, { heldOutLoss: null }));
    expect(await recalledOf(...old)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("ends before a gap", async () => {
    expect(await recalledOf(round(1), round(3))).toEqual([1]);
    expect(await recalledOf(round(2))).toEqual([]);
  });

  it.each(["", "no JSON", "{}", "[]"])("is nothing where the picture is %j", async (bytes) => {
    expect(await recalled(bytes)).toEqual([]);
  });

  it("is nothing where there is no picture", async () => {
    await world.store.delete(keys.statusView(world.run));
    const context = await world.reader();
    await recallHistory(context);
    expect(context.complete).toEqual([]);
  });
});
