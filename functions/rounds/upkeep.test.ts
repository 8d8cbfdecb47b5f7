import { describe, expect, it } from "vitest";
import { keys } from "../../schemas/index.ts";
import { ApiRun, keyOf } from "../api/testing/api-run.ts";
import { LOOK_BACK_ROUNDS, missingWork } from "./upkeep.ts";

describe("states that are missing", () => {
  // Once they were looked for in the last 50 rounds only: after a longer failure no state was ever published again.
  it("are asked for from the oldest on, however long ago it was", async () => {
    const run = await ApiRun.create();
    const rounds = 2 * LOOK_BACK_ROUNDS;
    const asked = await missingWork(run.deciding, rounds + 1);
    const states = asked.flatMap(({ message }) => (message.type === "state" ? [message.round] : []));
    const shards = run.deciding.layout.shards.length;
    expect(states).toEqual(Array.from({ length: shards * rounds }, (_, i) => 1 + Math.floor(i / shards)));

    await run.emptyRound([keyOf("ann"), keyOf("ben")], 1);
    const [oldest] = (await missingWork(run.deciding, rounds + 1)).filter(
      ({ message }) => message.type === "state",
    );
    expect(oldest?.message).toMatchObject({ round: 2 });
    expect(await run.store.head(keys.state(run.run, 1))).not.toBeNull();
  });
});
