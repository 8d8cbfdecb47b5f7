/**
 * Whoever watches a run outlives the store's absence, wherever in a look it begins.
 */
import { expect, it, vi } from "vitest";
import { openRun } from "../../functions/rounds/run-context.ts";
import type { ObjectStore } from "../../functions/storage/object-store.ts";
import { keys, OuterloopError } from "../../schemas/index.ts";
import { startEmbeddedRun } from "../../test/support/embedded-run.ts";
import { tinyConfig } from "../../test/support/tiny-run.ts";
import { buildResult } from "./result.ts";
import { Timeline } from "./timeline.ts";
import { watchRun, whenStoreAnswers } from "./watch.ts";

/** The store, away for the first two reads of a key. */
function awayAt(store: ObjectStore, awayKey: string): ObjectStore {
  let left = 2;
  return {
    ...store,
    get: async (key, options) => {
      if (key !== awayKey || left === 0) return store.get(key, options);
      left--;
      throw new OuterloopError("store-unreachable", `no answer to ${key}`);
    },
  };
}

it("is told every round once, and the result, though the store was away at each", async () => {
  const rounds = 2;
  const running = await startEmbeddedRun({ config: tinyConfig({ rounds, peers: 1 }) });
  try {
    const { key, done } = running.peer("peer");
    // Only the seconds of the last round are read from this.
    const nextRoster = keys.roster(running.run, rounds + 1);
    const lines: string[] = [];
    const told: number[] = [];
    const watching = {
      context: await openRun(awayAt(running.context.store, nextRoster), running.run),
      timeline: new Timeline(),
      display: {
        line: (text: string) => void lines.push(text),
        round: ({ round }: { round: number }) => void told.push(round),
        status: vi.fn(),
      },
      pauseMs: 20,
      signal: new AbortController().signal,
    };
    await watchRun(watching);
    expect(lines).toEqual(Array.from({ length: 2 }, () => `no answer to ${nextRoster}`));
    expect(told).toEqual([1, 2]);
    await done;

    // What a peer says last is read for the result alone.
    const lastIntent = keys.intent(running.run, rounds + 1, key.publicKey);
    const later = {
      ...watching,
      context: await openRun(awayAt(running.context.store, lastIntent), running.run),
    };
    const result = await whenStoreAnswers(later, () =>
      buildResult({
        context: later.context,
        bucket: "",
        wallSeconds: 0,
        peers: [{ peer: key.publicKey, behaviour: "honest" }],
        timeline: later.timeline,
      }),
    );
    expect(lines).toHaveLength(4);
    expect(result.rounds.map(({ peerStateHashes }) => peerStateHashes[key.publicKey])).toEqual(
      result.rounds.map(({ stateHash }) => stateHash),
    );
  } finally {
    await running.close();
  }
});

it("any other error ends the watch", async () => {
  const watching = {
    display: { line: vi.fn(), round: vi.fn(), status: vi.fn() },
    pauseMs: 0,
    signal: new AbortController().signal,
  };
  const denied = new OuterloopError("store-denied", "no");
  await expect(whenStoreAnswers(watching, () => Promise.reject(denied))).rejects.toBe(denied);
});
