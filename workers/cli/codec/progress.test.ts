import { expect, test } from "vitest";
import { withProgress } from "./progress.ts";

function shown(stepsMs: readonly number[]): Promise<string[]> {
  const lines: string[] = [];
  const out = { isTTY: false, write: (line: string) => lines.push(line) } as unknown as NodeJS.WriteStream;
  let nowMs = 0;
  const work = async (onProgress: (done: number, total: number) => void) => {
    for (const [i, stepMs] of stepsMs.entries()) {
      nowMs += stepMs;
      onProgress(1e9 * (i + 1), 1e9 * stepsMs.length);
    }
    return lines;
  };
  return withProgress(out, work, () => nowMs);
}

test("what is soon over says nothing; long work says now and then how far it is", async () => {
  expect(await shown([100, 100, 100])).toEqual([]);
  expect(await shown([20_000, 1_000, 1_000, 20_000])).toEqual([
    "25 %, 50 million elements a second, 60 s left\n",
    "100 %, 95 million elements a second, 0 s left\n",
  ]);
});
