import { expect, it } from "vitest";
import { inParallel } from "./in-parallel.ts";

it("results come in the order of the items, whoever is done first, and not all work at once", async () => {
  const items = Array.from({ length: 100 }, (_, i) => i);
  let working = 0;
  let most = 0;
  const results = await inParallel(items, async (item) => {
    working += 1;
    most = Math.max(most, working);
    for (let turn = 0; turn <= (item * 7) % 5; turn += 1) await new Promise((next) => setImmediate(next));
    working -= 1;
    return 2 * item;
  });
  expect(results).toEqual(items.map((item) => 2 * item));
  expect(most).toBe(32);
});

it("after a failure nothing is begun, and all that had begun has ended when the caller hears of it", async () => {
  const begun: number[] = [];
  const ended: number[] = [];
  const failing = inParallel(
    Array.from({ length: 1_000 }, (_, i) => i),
    async (item) => {
      begun.push(item);
      await new Promise((next) => setImmediate(next));
      if (item === 3) throw new Error("three");
      await new Promise((next) => setImmediate(next));
      ended.push(item);
    },
  );
  await expect(failing).rejects.toThrow("three");
  expect(begun.length).toBeLessThanOrEqual(64);
  expect(ended.length).toBe(begun.length - 1);
});

it("a failure is the caller's, and nothing of nothing is nothing", async () => {
  const failing = inParallel([1, 2, 3], async (item) => {
    if (item === 2) throw new Error("two");
  });
  await expect(failing).rejects.toThrow("two");
  expect(await inParallel([], async () => 1)).toEqual([]);
});
