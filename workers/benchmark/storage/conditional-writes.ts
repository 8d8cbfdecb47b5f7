/**
 * How long the writes take that a round is made of: a small object created once, and one replaced if it is still the
 * one that was read.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, open, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OuterloopError } from "../../../schemas/index.ts";
import type { ConditionalWrites, StorageResult } from "../result.ts";
import { secondsUntil, spreadOf } from "../spread.ts";
import type { Stack } from "./stacks.ts";

/** A receipt or a check is about as large. */
export const WRITE_BYTES = 1_024;
/** Of each kind in a repeat. */
const WRITES = 20;

type Measured = Pick<StorageResult, "plainWriteMilliseconds" | "conditionalWrites">;

export async function measureWrites(
  stacks: readonly Stack[],
  repeats: number,
  signal: AbortSignal,
): Promise<Measured> {
  const folder = await mkdtemp(join(tmpdir(), "outerloop-benchmark-"));
  const plain: number[] = [];
  const figures = stacks.map(({ name }) => ({ name, create: [] as number[], swap: [] as number[] }));
  try {
    // The first repeat opens connections and folders and is not counted.
    for (let repeat = 0; repeat <= repeats; repeat++) {
      const now = {
        plain: [] as number[],
        stacks: stacks.map(() => ({ create: [] as number[], swap: [] as number[] })),
      };
      for (let i = 0; i < WRITES; i++) {
        signal.throwIfAborted();
        const bytes = randomBytes(WRITE_BYTES);
        now.plain.push(await secondsUntil(() => writePlainly(folder, `${repeat}-${i}`, bytes)));
        for (const [at, { store }] of stacks.entries()) {
          const key = `writes/${repeat}-${i}`;
          let etag = "";
          now.stacks[at]?.create.push(
            await secondsUntil(async () => {
              const put = await store.putIfAbsent(key, bytes);
              if (put.outcome === "created") etag = put.info.etag;
            }),
          );
          now.stacks[at]?.swap.push(
            await secondsUntil(async () => {
              const { outcome } = await store.compareAndSwap(key, randomBytes(WRITE_BYTES), etag);
              if (outcome !== "swapped") throw new OuterloopError("unexpected-answer", `${key} was not ours`);
            }),
          );
        }
      }
      if (repeat === 0) continue;
      plain.push(middleMilliseconds(now.plain));
      for (const [at, figure] of figures.entries()) {
        figure.create.push(middleMilliseconds(now.stacks[at]?.create ?? []));
        figure.swap.push(middleMilliseconds(now.stacks[at]?.swap ?? []));
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const timesPlain = (values: readonly number[]) =>
    spreadOf(values.map((value, repeat) => value / (plain[repeat] ?? Number.NaN)));
  return {
    plainWriteMilliseconds: spreadOf(plain),
    conditionalWrites: figures.map(
      ({ name, create, swap }): ConditionalWrites => ({
        stack: name,
        createMilliseconds: spreadOf(create),
        swapMilliseconds: spreadOf(swap),
        createTimesPlain: timesPlain(create),
        swapTimesPlain: timesPlain(swap),
      }),
    ),
  };
}

/** The least that a durable file takes: written, fsynced, given its name. */
async function writePlainly(folder: string, name: string, bytes: Uint8Array): Promise<void> {
  const temporary = join(folder, "temporary");
  const file = await open(temporary, "w");
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, join(folder, name));
}

function middleMilliseconds(seconds: readonly number[]): number {
  return 1_000 * spreadOf(seconds).median;
}
