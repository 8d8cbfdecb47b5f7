import { describe, expect, it } from "vitest";
import { keys } from "../../schemas/index.ts";
import { memoryRunConfig, RunInMemory } from "../coordinator/testing/run-in-memory.ts";
import { dispatch } from "./dispatch.ts";
import { sweep } from "./sweep.ts";

describe("the sweep", () => {
  it("looks after every run, then says which it could not look after", async () => {
    const world = await RunInMemory.create("sweep");
    const broken = `broken-${"0".repeat(32)}`;
    await world.store.putIfAbsent(keys.active(broken), new Uint8Array());
    await world.interleaver.run(world.peers.map((peer) => world.announce(peer)));

    const swept = sweep(world.process(0));
    await world.interleaver.run([expect(swept).rejects.toMatchObject({ code: "sweep-failed" })]);
    await expect(swept).rejects.toThrow(broken);
    await expect(swept).rejects.not.toThrow(world.run);
    expect(await world.store.head(keys.roster(world.run, 1))).not.toBeNull();
  });

  // Found by the simulator: with all evaluators gone for good, a finished run stayed under watch for ever.
  it("looks after a finished run until its held-out losses stand, but for no more than a day", async () => {
    const world = await RunInMemory.create("finished");
    const environment = world.process(0);
    const look = async () => {
      await world.interleaver.run([sweep(environment)]);
      const messages = world.messages
        .splice(0)
        .map((body, i) => ({ id: `${i}`, body, lease: "", receives: 1 }));
      await world.interleaver.run([dispatch(environment, messages)]);
    };
    while ((await world.openRound()) <= memoryRunConfig.rounds) {
      await world.interleaver.run(world.peers.map((peer) => world.announce(peer).catch(() => {})));
      await look();
      world.clock.nowMs += 60_000;
    }
    for (let i = 0; i < 8; i++) await look();
    expect(await world.store.head(keys.state(world.run, memoryRunConfig.rounds))).not.toBeNull();
    expect(await world.store.head(keys.active(world.run))).not.toBeNull();
    world.clock.nowMs += 25 * 3_600_000;
    await look();
    expect(await world.store.head(keys.active(world.run))).toBeNull();
  });
});
