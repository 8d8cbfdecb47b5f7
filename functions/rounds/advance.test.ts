import { beforeEach, describe, expect, it } from "vitest";
import { keys, type ReceiptsPage, signToBytes } from "../../schemas/index.ts";
import type { Nudge } from "../coordinator/decision.ts";
import { memoryRunSecrets, RunInMemory } from "../coordinator/testing/run-in-memory.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { dispatch } from "../triggers/dispatch.ts";
import type { TriggerEnvironment } from "../triggers/environment.ts";
import { advance } from "./advance.ts";
import type { RunContext } from "./run-context.ts";

let world: RunInMemory;
let context: RunContext;
beforeEach(async () => {
  world = await RunInMemory.create("advance");
  context = await world.reader(memoryRunSecrets);
});

const send = async () => {};
const stands = async (key: string) => (await world.store.head(key)) !== null;

/** Round 1 up to the point where its manifest is due: everybody announced, nobody delivered. */
async function toLastDecision(): Promise<void> {
  await world.interleaver.run(world.peers.map((peer) => world.announce(peer)));
  for (let passed = 0; !(await stands(keys.selection(world.run, 1))); passed++) {
    if (passed > 20) throw new Error("no selection");
    // A settled round without submissions goes to its manifest in one go: stop right before it.
    await advance(seeing({ putIfAbsent: refuse(keys.manifest(world.run, 1)) }), { send }).catch(() => {});
    world.clock.nowMs += 60_000;
  }
}

/** The run through a store of which some operations are replaced. */
const seeing = (operations: Partial<ObjectStore>): RunContext => ({
  ...context,
  store: { ...context.store, ...operations },
});

const refuse =
  (...refused: string[]): ObjectStore["putIfAbsent"] =>
  async (key, bytes) => {
    if (refused.includes(key)) throw new Error(`${key} cannot be written`);
    return world.store.putIfAbsent(key, bytes);
  };

describe("the head", () => {
  // Once only the process that recorded the manifest wrote what follows from it, and any other moved the head past it.
  it("waits for receipts and ledger, whoever recorded the manifest", async () => {
    await toLastDecision();
    const receipts = keys.receipts(world.run, 1, 0);
    await expect(advance(seeing({ putIfAbsent: refuse(receipts) }), { send })).rejects.toThrow(receipts);
    expect(await stands(keys.manifest(world.run, 1))).toBe(true);
    const headBefore = await world.store.get(keys.head(world.run));
    await expect(advance(seeing({ putIfAbsent: refuse(receipts) }), { send })).rejects.toThrow(receipts);
    expect(await world.store.get(keys.head(world.run))).toEqual(headBefore);

    await advance(await world.reader(memoryRunSecrets), { send });
    for (const key of [receipts, keys.ledger(world.run, 1, 0)]) expect(await stands(key)).toBe(true);
    expect(await world.store.get(keys.head(world.run))).not.toEqual(headBefore);
  });

  it("goes on past receipts that somebody forged, after one alarm", async () => {
    await toLastDecision();
    const forged: ReceiptsPage = { round: 1, page: 0, manifest: "0".repeat(64), receipts: [] };
    const bytes = signToBytes("receipts", world.run, forged, memoryRunSecrets.coordinator);
    await world.store.putIfAbsent(keys.receipts(world.run, 1, 0), bytes);
    await expect(advance(context, { send })).rejects.toMatchObject({ code: "derived-object-differs" });
    const { facts } = await advance(await world.reader(memoryRunSecrets), { send });
    expect(facts.round).toBe(2);
    expect(await stands(keys.ledger(world.run, 1, 0))).toBe(true);
  });
});

describe("the work of a phase", () => {
  // Once a tick that failed after it had recorded was repeated, found nothing to record, and asked for nothing.
  it("is asked for by the next tick, if the one that entered the phase failed before it did", async () => {
    const environment = world.process(0);
    const tick = [
      { id: "1", body: JSON.stringify({ type: "tick", run: world.run }), lease: "", receives: 1 },
    ];
    const asked: Nudge[] = [];
    let away = true;
    const nudger: TriggerEnvironment["nudger"] = {
      send: async (nudges) => {
        if (away && nudges.length > 0) throw new Error("the queue is away");
        asked.push(...nudges);
      },
      remind: async () => {},
    };
    await world.interleaver.run(world.peers.map((peer) => world.announce(peer)));
    await world.interleaver.run([dispatch({ ...environment, nudger }, tick)]);
    for (const peer of world.peers) {
      await world.interleaver.run([world.commit(peer)]);
      for (const shard of [0, 1]) await world.interleaver.run([world.upload(peer, shard)]);
    }
    // All uploads are in, none is checked: the settlement asks for the checks.
    world.messages.splice(0);
    world.clock.nowMs += 10 * 60_000;
    await world.interleaver.run([dispatch({ ...environment, nudger }, tick)]);
    expect(await stands(keys.cutoff(world.run, 1))).toBe(true);
    expect(asked).toEqual([]);
    away = false;
    await world.interleaver.run([dispatch({ ...environment, nudger }, tick)]);
    expect(asked).toHaveLength(2 * world.peers.length);
    await world.interleaver.run([dispatch({ ...environment, nudger }, tick)]);
    expect(asked).toHaveLength(2 * world.peers.length);
  });
});
