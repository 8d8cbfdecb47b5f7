import { describe, expect, it } from "vitest";
import {
  derivedSeed,
  f32ToHex,
  head as headSchema,
  keys,
  parseCanonical,
  signed,
  signingKey,
  signToBytes,
} from "../../schemas/index.ts";
import { memoryRunConfig, memoryRunSecrets, RunInMemory } from "../coordinator/testing/run-in-memory.ts";
import { advance } from "./advance.ts";
import { readFacts } from "./read-facts.ts";
import { readStatus } from "./status.ts";

const NOTHING_SENT = { send: async () => {} };

async function decided(world: RunInMemory) {
  const advanced = await advance(await world.reader(memoryRunSecrets), NOTHING_SENT);
  return { ...advanced, phase: advanced.facts.phase };
}

async function announced(seed: string, peers = 3): Promise<RunInMemory> {
  const world = await RunInMemory.create(seed, { peers });
  await world.interleaver.run(world.peers.map((peer) => world.announce(peer)));
  return world;
}

const seed = "ab".repeat(32);

describe("reading a run", () => {
  it("finds the open phase from the objects alone, wherever it begins to look", async () => {
    const world = await announced(seed);
    expect((await decided(world)).recorded).toEqual([{ type: "roster", round: 1 }]);
    const { facts } = await readFacts(await world.reader(), 1);
    expect([facts.phase, facts.round]).toEqual(["train", 1]);
  });

  it("leaves the seeds to those who hold the chain", async () => {
    const world = await announced(seed);
    expect((await readFacts(await world.reader())).facts.seeds).toBeUndefined();
    expect((await readFacts(await world.reader(memoryRunSecrets))).facts.seeds).toBeDefined();
  });

  it("draws a picture without recording anything", async () => {
    const world = await announced(seed);
    const before = (await world.objects()).size;
    const status = await readStatus(await world.reader(memoryRunSecrets));
    expect(status).toMatchObject({ phase: "gather", round: 1 });
    expect(status.waitingFor.map(({ kind }) => kind)).toEqual(["coordinator"]);
    expect((await world.objects()).size).toBe(before);
  });

  it("keeps a round under the configuration that its roster pinned", async () => {
    const world = await announced(seed);
    await decided(world);
    const config = { ...memoryRunConfig, outer: { ...memoryRunConfig.outer, beta: f32ToHex(0.5) } };
    await world.control({ kind: "config", config });
    const { facts } = await readFacts(await world.reader());
    expect(facts.config).toEqual(memoryRunConfig);
  });

  // It once was so: whether the run is finished is asked of the newest configuration, before the roster of the open
  // round is looked at. Fewer rounds, announced in the middle of one, end the run with that round open: its
  // acknowledged commits get no verdict, its peers wait for ever. (The pinned configuration is to decide, or the roster.)
  it("ends an open round, though a newer configuration has fewer rounds", async () => {
    const world = await announced(seed);
    await decided(world);
    await world.interleaver.run(world.peers.map((peer) => world.commit(peer)));
    // Round 1 is open and its commits are acknowledged; a run cannot have no rounds, so this asks for round 2.
    world.clock.nowMs += 60_000;
    await decided(world);
    world.clock.nowMs += 60_000;
    await decided(world);
    await world.interleaver.run(world.peers.map((peer) => world.announce(peer)));
    await decided(world);
    expect((await readFacts(await world.reader())).facts).toMatchObject({ round: 2, phase: "train" });
    await world.control({ kind: "config", config: { ...memoryRunConfig, rounds: 1 } });
    expect((await readFacts(await world.reader())).facts).toMatchObject({ round: 2, phase: "train" });
  });

  it("does not wait for a peer that said it is leaving", async () => {
    const world = await RunInMemory.create(seed, { peers: 4 });
    const [leaver, ...others] = world.peers;
    if (leaver === undefined) throw new Error("no peers");
    await world.interleaver.run([
      ...others.map((peer) => world.announce(peer)),
      world.announce(leaver, true),
    ]);
    await decided(world);
    const { facts } = await readFacts(await world.reader());
    if (facts.phase !== "train") throw new Error(`the round is in ${facts.phase}`);
    expect(facts.roster.body.peers).toHaveLength(3);
  });
});

describe("where reading begins", () => {
  /** Rounds 1 and 2 ended without a submission; nobody has announced round 3 yet. */
  async function inRoundThree(): Promise<RunInMemory> {
    const world = await RunInMemory.create(seed);
    for (const round of [1, 2]) {
      await world.interleaver.run(world.peers.map((peer) => world.announce(peer)));
      while ((await world.openRound()) === round) {
        await decided(world);
        world.clock.nowMs += 60_000;
      }
    }
    return world;
  }

  /** The open round as a process finds it that knows nothing yet, and the manifests it asked for. */
  async function found(world: RunInMemory) {
    const context = await world.reader();
    const asked: string[] = [];
    const get: typeof context.store.get = (key, options) => {
      if (key.endsWith("manifest.json")) asked.push(key);
      return context.store.get(key, options);
    };
    const { facts } = await readFacts({ ...context, store: { ...context.store, get } });
    return { round: facts.round, manifests: asked };
  }

  it("is the round of the head", async () => {
    const world = await inRoundThree();
    const manifests = [2, 3].map((round) => keys.manifest(world.run, round));
    expect(await found(world)).toEqual({ round: 3, manifests });
  });

  it.each([
    ["is missing", null, "coordinator"],
    ["is ahead of its run", { round: 4 }, "coordinator"],
    ["names another manifest", { manifest: "0".repeat(64) }, "coordinator"],
    ["is signed by somebody else", {}, "stranger"],
  ])("is the first round where the head %s", async (_, changes, signer) => {
    const world = await inRoundThree();
    const key = keys.head(world.run);
    const object = await world.store.get(key);
    if (object === null) throw new Error("no head");
    const { body } = parseCanonical(signed(headSchema), object.bytes, "head");
    await world.store.delete(key);
    if (changes !== null) {
      const by =
        signer === "coordinator" ? memoryRunSecrets.coordinator : signingKey(derivedSeed("tests", signer));
      await world.store.putIfAbsent(key, signToBytes("head", world.run, { ...body, ...changes }, by));
    }
    const { round, manifests } = await found(world);
    expect([round, manifests]).toEqual([3, expect.arrayContaining([keys.manifest(world.run, 1)])]);
  });
});

describe("the head", () => {
  const headOf = async (world: RunInMemory) => {
    const object = await world.store.get(keys.head(world.run));
    return object && parseCanonical(signed(headSchema), object.bytes, "head").body;
  };

  it("follows the run, and says when the next one is due", async () => {
    const world = await announced(seed);
    await decided(world);
    const head = await headOf(world);
    expect(head).toMatchObject({ run: world.run, round: 1, finished: false });
    expect(head?.nextBy).not.toBeNull();
  });

  it("is written again when it was lost", async () => {
    const world = await announced(seed);
    await decided(world);
    await world.store.delete(keys.head(world.run));
    await decided(world);
    expect(await headOf(world)).toMatchObject({ round: 1 });
  });

  // It once was so: a head that does not parse is thrown at `advance`, before it sends the nudges of the phase: each
  // tick and sweep fails from then on, until somebody deletes the object. It is a hint, to be repaired.
  it("is written again when it was damaged", async () => {
    const world = await announced(seed);
    await decided(world);
    const damaged = await world.store.get(keys.head(world.run));
    await world.store.compareAndSwap(keys.head(world.run), new Uint8Array([1, 2, 3]), damaged?.etag ?? null);
    await decided(world);
    expect(await headOf(world)).toMatchObject({ round: 1 });
  });
});
