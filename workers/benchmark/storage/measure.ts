/**
 * `npm run bench -- storage`: the stacks that a run can be kept on, side by side.
 *
 * @module
 */
import { loadNow, machineAfter } from "../machine.ts";
import { type RoundOverhead, type StorageResult, storageResult } from "../result.ts";
import { measureWrites, WRITE_BYTES } from "./conditional-writes.ts";
import { countRequests } from "./counted-runs.ts";
import { measureOverhead } from "./round-overhead.ts";
import { startStacks } from "./stacks.ts";
import { measureTransfers, TRANSFER_BYTES } from "./transfers.ts";

const FULL = { repeats: 7, rounds: 5, countedRounds: 7 };
const QUICK = { repeats: 3, rounds: 2, countedRounds: 4 };

/** Starts and stops everything that it needs; `onLine` gets what happens on the way. */
export async function measureStorage(
  quick: boolean,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<StorageResult> {
  const { repeats, rounds, countedRounds } = quick ? QUICK : FULL;
  onLine("starting MinIO and LocalStack");
  const stacks = await startStacks(signal);
  try {
    const loadBefore = loadNow();
    onLine(`small conditional writes, ${repeats} times`);
    const writes = await measureWrites(stacks.all, repeats, signal);
    onLine(`uploads and downloads, ${repeats} times`);
    const transfers = await measureTransfers(stacks.all, repeats, signal);
    const roundOverheads: RoundOverhead[] = [];
    for (const stack of stacks.all) {
      onLine(`${stack.name}: outerloop up, ${rounds} rounds`);
      roundOverheads.push(await measureOverhead(stack, rounds, onLine, signal));
    }
    const requestCounts = await countRequests(stacks, countedRounds, onLine, signal);
    return storageResult.parse({
      version: 1,
      quick,
      repeats,
      machine: machineAfter(loadBefore),
      writeBytes: WRITE_BYTES,
      ...writes,
      transferBytes: TRANSFER_BYTES,
      transfers,
      roundOverheads,
      requestCounts,
    });
  } finally {
    await stacks.stop();
  }
}
