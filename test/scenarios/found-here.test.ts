/**
 * What the simulator and hostile readers found in this project, each as the story in which it went wrong.
 */
import { beforeEach, describe, expect, it } from "vitest";
import { createApiClient } from "../../functions/api/client.ts";
import { ApiRun, keyOf, ORIGIN } from "../../functions/api/testing/api-run.ts";
import { advance } from "../../functions/rounds/advance.ts";
import { FactCache } from "../../functions/rounds/fact-cache.ts";
import { writeStateShard } from "../../functions/rounds/state-shard.ts";
import { missingWork } from "../../functions/rounds/upkeep.ts";
import type { ObjectStore } from "../../functions/storage/object-store.ts";
import { keys, OuterloopError } from "../../schemas/index.ts";

const [ann, ben] = [keyOf("ann"), keyOf("ben")];
const send = async () => {};

let run: ApiRun;
beforeEach(async () => {
  run = await ApiRun.create();
});

/** The deciding functions, with a store of which some reads fail. */
const deciding = (fails: (key: string) => boolean) => ({
  ...run.deciding,
  cache: new FactCache(),
  store: {
    ...run.store,
    async get(key, options) {
      if (fails(key)) throw new OuterloopError("store-unreachable", "503 SlowDown");
      return run.store.get(key, options);
    },
  } satisfies ObjectStore,
});

describe("a store that is busy", () => {
  it("takes no acknowledged commit out of the close: the round waits until it can be read", async () => {
    await run.toRoster([ann, ben]);
    for (const key of [ann, ben]) await run.deliver(key);
    const busy = deciding((key) => key === keys.commit(run.run, 1, ann.publicKey));
    await expect(advance(busy, { send })).rejects.toMatchObject({ code: "store-unreachable" });
    expect(await run.store.head(keys.close(run.run, 1))).toBeNull();
    await advance(busy, { send }).catch(() => {});
    await run.advance();
    expect((await run.close()).submissions.map(({ verdict }) => verdict)).toEqual(["included", "included"]);
  });

  it("ends no evaluator: its questions are asked again, for jobs as for everything", async () => {
    let failures = 3;
    const away = async () => {
      if (failures-- > 0) throw new OuterloopError("queue-unreachable", "503");
      return [];
    };
    const other = await ApiRun.create({ environment: { jobs: { ...run.jobs, receive: away } } });
    const host = {
      fetch: other.fetch,
      now: Date.now,
      random: Math.random,
      sleep: () => new Promise<void>((resolve) => setImmediate(resolve)),
    };
    const api = createApiClient({ coordinator: ORIGIN, key: keyOf("evaluator-1"), host });
    expect(await api.jobs(other.run).receive({ leaseSeconds: 30 })).toEqual([]);
    expect(failures).toBeLessThan(0);
  });
});

describe("a coordinator that dies between the manifest and what follows from it", () => {
  it("leaves no peer in front of a round whose receipts are not there", async () => {
    await run.toRoster([ann, ben]);
    run.passTime(3_600_000);
    const receipts = keys.receipts(run.run, 1, 0);
    const store: ObjectStore = {
      ...run.store,
      async putIfAbsent(key, bytes) {
        if (key === receipts) throw new OuterloopError("store-unreachable", "died");
        return run.store.putIfAbsent(key, bytes);
      },
    };
    await expect(advance({ ...run.deciding, store }, { send })).rejects.toThrow("died");
    expect(await run.store.head(keys.manifest(run.run, 1))).not.toBeNull();
    const position = async () => {
      // Who asks in the same turn of the event loop shares one look.
      await new Promise((resolve) => setImmediate(resolve));
      return (await run.get(run.path("/position"))).body.round;
    };
    expect(await position()).toBe(1);
    await run.advance();
    expect([await position(), (await run.store.head(receipts)) !== null]).toEqual([2, true]);
  });
});

describe("a function that dies between the last shard of a state and the state", () => {
  it("leaves no gap: the next state waits for it, and the sweep asks for both", async () => {
    run = await ApiRun.create({ config: { rounds: 5 } });
    const { shards } = run.deciding.layout;
    const died = async (round: number) => {
      const store: ObjectStore = {
        ...run.store,
        async putIfAbsent(key, bytes) {
          if (key === keys.state(run.run, round)) throw new OuterloopError("store-unreachable", "died");
          return run.store.putIfAbsent(key, bytes);
        },
      };
      const dying = { ...run.deciding, cache: new FactCache(), store };
      for (const { number } of shards) await writeStateShard(dying, round, number).catch(() => {});
    };
    const finish = async (round: number) => {
      await run.toRoster([ann, ben], round);
      // Settling waits for the state before it, as long as its window lasts.
      for (let deadline = 0; deadline < 2; deadline++) {
        run.passTime(3_600_000);
        await run.advance();
      }
    };
    await finish(1);
    await died(1);
    await finish(2);
    for (const { number } of shards) expect(await writeStateShard(run.deciding, 2, number)).toBe(false);
    for (const { message } of await missingWork(run.deciding, 3))
      if (message.type === "state") await writeStateShard(run.deciding, message.round, message.shard);
    for (const round of [1, 2])
      expect(await run.store.head(keys.state(run.run, round)), `state ${round}`).not.toBeNull();
  });
});
