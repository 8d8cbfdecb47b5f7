import { describe, expect, it } from "vitest";
import { keys } from "../../schemas/index.ts";
import { RunInMemory } from "../coordinator/testing/run-in-memory.ts";
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
});
