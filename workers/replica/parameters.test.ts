import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type ApiClient, createApiClient } from "../../functions/api/client.ts";
import { ApiRun, keyOf, ORIGIN } from "../../functions/api/testing/api-run.ts";
import {
  canonicalBytes,
  isOuterloopError,
  keys,
  type Manifest,
  type SigningKey,
  type State,
  sha256,
  signToBytes,
} from "../../schemas/index.ts";
import {
  checkChain,
  downloadState,
  follow,
  newestPublished,
  newestState,
  nextManifest,
  outerStep,
  stateHash,
} from "./parameters.ts";
import { openRunView, type RunView, readSigned } from "./run-view.ts";

const peers = [keyOf("ann"), keyOf("ben")];
const coordinator = keyOf("coordinator");
const DIGEST = sha256(new Uint8Array());

let run: ApiRun;
/** What a lying coordinator shows instead of what is stored; null: nothing. */
let lies: Map<string, Uint8Array | null>;
let view: RunView;

beforeEach(async () => {
  run = await ApiRun.create();
  vi.stubGlobal("fetch", run.fetch);
  lies = new Map();
  view = await openRunView(lyingClient(), run.run);
});
afterEach(() => {
  vi.unstubAllGlobals();
});

function lyingClient(): ApiClient {
  const honest = createApiClient({ coordinator: ORIGIN, patienceSeconds: 0 });
  return {
    ...honest,
    object: async (key) => {
      const lie = lies.get(key);
      return lie === undefined ? honest.object(key) : lie;
    },
  };
}

const stored = async (key: string): Promise<Uint8Array> => {
  const object = await run.store.get(key);
  if (object === null) throw new Error(`${key} is not there`);
  return object.bytes;
};
const bodyOf = async <Body>(key: string): Promise<Body> =>
  JSON.parse(new TextDecoder().decode(await stored(key))).body;

async function codeOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
  } catch (error) {
    return isOuterloopError(error) ? error.code : `untyped: ${String(error)}`;
  }
  return "accepted";
}

/** Another manifest in place of the real one. */
async function forgeManifest(round: number, changes: Partial<Manifest>, by: SigningKey = coordinator) {
  const key = keys.manifest(run.run, round);
  const body = { ...(await bodyOf<Manifest>(key)), ...changes };
  lies.set(key, signToBytes("manifest", run.run, body, by));
}

async function forgeState(round: number, change: (state: State) => State, by: SigningKey = coordinator) {
  const key = keys.state(run.run, round);
  lies.set(key, signToBytes("state", run.run, change(await bodyOf<State>(key)), by));
}

/** A round in which somebody is used, and its step from the initial parameters. */
async function appliedRound() {
  await run.toClose(peers);
  await run.toManifest();
  const start = await newestState(view, 0);
  return { start, before: start.theta.slice() };
}

describe("following the chain", () => {
  it("leads to the published state of every round, bit by bit", async () => {
    const { start } = await appliedRound();
    expect((await bodyOf<Manifest>(keys.manifest(run.run, 1))).outcome).toBe("applied");
    await run.emptyRound(peers, 2);
    const rounds: number[] = [];
    const end = await follow(view, start, {
      onStep: async ({ after }) => {
        rounds.push(after.round);
        const state = await bodyOf<State>(keys.state(run.run, after.round));
        expect(stateHash(view, after.theta)).toBe(state.stateHash);
      },
    });
    expect(rounds).toEqual([1, 2]);
    expect(end.theta).toEqual((await downloadState(view, 2))?.theta);
    expect(end.theta).not.toEqual(start.theta);
  });

  it("stops where it is told, and where the chain ends", async () => {
    await run.emptyRound(peers, 1);
    await run.emptyRound(peers, 2);
    const start = await newestState(view, 0);
    expect((await follow(view, start, { until: 1 })).round).toBe(1);
    expect((await follow(view, start, { until: 99 })).round).toBe(2);
    expect(await follow(view, start, { until: 0 })).toBe(start);
  });
});

describe("a coordinator that lies is found out, and the parameters stay as they are:", () => {
  it.each<[string, string, () => Promise<void> | void]>([
    ["a manifest on another history", "broken-chain", () => forgeManifest(1, { previousManifest: DIGEST })],
    ["a manifest of another round", "misplaced-object", () => forgeManifest(1, { round: 2 })],
    [
      "a manifest by a key that is not its own",
      "missing-signature",
      () => forgeManifest(1, {}, keyOf("eve")),
    ],
    ["a manifest by the API's key", "missing-signature", () => forgeManifest(1, {}, keyOf("api"))],
    ["too few aggregates", "wrong-manifest", () => forgeManifest(1, { aggregates: [] })],
    [
      "another aggregate than it names",
      "wrong-aggregate",
      async () => {
        const bytes = (await stored(keys.aggregate(run.run, 1, 1, "selected"))).slice();
        bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
        lies.set(keys.aggregate(run.run, 1, 1, "selected"), bytes);
      },
    ],
    [
      "an aggregate cut short",
      "wrong-aggregate",
      async () => {
        lies.set(
          keys.aggregate(run.run, 1, 1, "selected"),
          (await stored(keys.aggregate(run.run, 1, 1, "selected"))).slice(0, -1),
        );
      },
    ],
    ["no aggregate", "wrong-aggregate", () => void lies.set(keys.aggregate(run.run, 1, 0, "selected"), null)],
    [
      "an aggregate of no bytes",
      "wrong-aggregate",
      () => void lies.set(keys.aggregate(run.run, 1, 0, "selected"), new Uint8Array()),
    ],
    [
      "a manifest that is no JSON",
      "malformed",
      () => void lies.set(keys.manifest(run.run, 1), new Uint8Array([1])),
    ],
    [
      "a manifest in other words",
      "not-canonical",
      async () => {
        const text = new TextDecoder().decode(await stored(keys.manifest(run.run, 1)));
        lies.set(keys.manifest(run.run, 1), Buffer.from(`${text}\n`));
      },
    ],
    [
      "a manifest without signatures",
      "malformed",
      async () => {
        const body = await bodyOf<Manifest>(keys.manifest(run.run, 1));
        lies.set(keys.manifest(run.run, 1), canonicalBytes({ body, signatures: [] }));
      },
    ],
    [
      "a roster in place of the manifest",
      "malformed",
      async () => void lies.set(keys.manifest(run.run, 1), await stored(keys.roster(run.run, 1))),
    ],
  ])("%s", async (_, code, lie) => {
    const { start, before } = await appliedRound();
    await lie();
    const steps: number[] = [];
    const onStep = async ({ after }: { after: { round: number } }) => void steps.push(after.round);
    expect(await codeOf(() => follow(view, start, { onStep }))).toBe(code);
    expect(steps).toEqual([]);
    expect([start.round, start.manifest]).toEqual([0, view.genesis.hash]);
    expect(start.theta).toEqual(before);
  });

  it("an aggregate that its manifest names but that does not parse", async () => {
    const { start, before } = await appliedRound();
    const junk = new Uint8Array(100).fill(7);
    const { aggregates } = await bodyOf<Manifest>(keys.manifest(run.run, 1));
    lies.set(keys.aggregate(run.run, 1, 1, "selected"), junk);
    await forgeManifest(1, {
      aggregates: aggregates.map((file) =>
        file.shard === 1 ? { ...file, sha256: sha256(junk), sizeBytes: junk.length } : file,
      ),
    });
    expect(await codeOf(() => follow(view, start))).toMatch(/^(?!accepted|untyped)/);
    expect(start.theta).toEqual(before);
  });

  // It once was so: only the number of aggregates is looked at. One shard twice, the other not at all, is taken: two
  // steps on one half of the model and none on the other, with every hash in order.
  it("one aggregate twice", async () => {
    const { start } = await appliedRound();
    const { aggregates } = await bodyOf<Manifest>(keys.manifest(run.run, 1));
    await forgeManifest(1, {
      aggregates: aggregates.map(() => aggregates[0] ?? { shard: 0, sha256: "", sizeBytes: 0 }),
    });
    expect(await codeOf(() => follow(view, start))).toBe("wrong-manifest");
  });

  it("an older manifest under a newer key", async () => {
    await run.emptyRound(peers, 1);
    await run.emptyRound(peers, 2);
    lies.set(keys.manifest(run.run, 2), await stored(keys.manifest(run.run, 1)));
    const start = await newestState(view, 0);
    const one = await follow(view, start, { until: 1 });
    expect(await codeOf(() => nextManifest(view, one))).toBe("misplaced-object");
  });

  it("a second history that begins in the past", async () => {
    await run.emptyRound(peers, 1);
    const start = await newestState(view, 0);
    const one = await follow(view, start);
    await run.emptyRound(peers, 2);
    // Round 1 is told anew, in other words; round 2 builds on the new story.
    await forgeManifest(1, { reason: "as it never was" });
    const other = await nextManifest(view, start);
    await forgeManifest(2, { previousManifest: other?.hash ?? DIGEST });
    expect(await codeOf(() => follow(view, one))).toBe("broken-chain");
    expect(one.round).toBe(1);
  });

  it("silence: then nothing moves", async () => {
    const { start } = await appliedRound();
    lies.set(keys.manifest(run.run, 1), null);
    expect(await follow(view, start)).toBe(start);
  });

  it("a step is taken on a copy, so that who holds the old parameters keeps them", async () => {
    const { start, before } = await appliedRound();
    const manifest = await nextManifest(view, start);
    if (manifest === null) throw new Error("round 1 has its manifest");
    const after = await outerStep(view, start, manifest);
    expect(start.theta).toEqual(before);
    expect(after.theta).not.toEqual(before);
  });
});

describe("published parameters", () => {
  it.each<[string, string, () => Promise<void> | void]>([
    [
      "with a bit turned",
      "wrong-state",
      async () => {
        const bytes = (await stored(keys.stateShard(run.run, 1, 0))).slice();
        bytes[5] = (bytes[5] ?? 0) ^ 1;
        lies.set(keys.stateShard(run.run, 1, 0), bytes);
      },
    ],
    [
      "cut short",
      "wrong-state",
      async () => {
        lies.set(keys.stateShard(run.run, 1, 1), (await stored(keys.stateShard(run.run, 1, 1))).slice(4));
      },
    ],
    [
      "with a shard missing in the bucket",
      "wrong-state",
      () => void lies.set(keys.stateShard(run.run, 1, 1), null),
    ],
    ["by another key", "missing-signature", () => forgeState(1, (state) => state, keyOf("eve"))],
    ["of another round", "misplaced-object", () => forgeState(1, (state) => ({ ...state, round: 0 }))],
    [
      "with a shard that the layout does not have",
      "wrong-state",
      () =>
        forgeState(1, (state) => ({
          ...state,
          shards: state.shards.map((file) => ({ ...file, shard: file.shard + 7 })),
        })),
    ],
  ])("%s are refused", async (_, code, lie) => {
    await run.emptyRound(peers, 1);
    await lie();
    expect(await codeOf(() => newestState(view, 1))).toBe(code);
  });

  // It once was so: nobody counted the shards of a signed state; one that was left out stayed zero.
  it("with a shard left out are refused", async () => {
    await run.emptyRound(peers, 1);
    await forgeState(1, (state) => ({ ...state, shards: state.shards.slice(0, 1) }));
    expect(await codeOf(() => newestState(view, 1))).toBe("wrong-state");
  });

  it("with one shard twice are refused", async () => {
    await run.emptyRound(peers, 1);
    await forgeState(1, (state) => ({
      ...state,
      shards: [...state.shards.slice(0, 1), ...state.shards.slice(0, 1)],
    }));
    expect(await codeOf(() => newestState(view, 1))).toBe("wrong-state");
  });

  // It once was so: `stateHash` was never compared with the shards, though commits, intents and reports sign it.
  it("under another state hash than theirs are refused", async () => {
    await run.emptyRound(peers, 1);
    await forgeState(1, (state) => ({ ...state, stateHash: DIGEST }));
    expect(await codeOf(() => newestState(view, 1))).toBe("wrong-state");
  });

  it("that are not there are looked for further back, down to the first", async () => {
    await run.emptyRound(peers, 1);
    lies.set(keys.state(run.run, 1), null);
    expect((await newestState(view, 1)).round).toBe(0);
    expect(await downloadState(view, 1)).toBeNull();
  });

  // It once was so: an answer was read to its end however long it was, though every size is known.
  it("are not read beyond their size", async () => {
    let taken = 0;
    const flood = () =>
      new ReadableStream({
        pull(controller) {
          taken += 1 << 20;
          if (taken > 64 << 20) controller.close();
          else controller.enqueue(new Uint8Array(1 << 20));
        },
      });
    const shard = keys.stateShard(run.run, 0, 0);
    vi.stubGlobal("fetch", async (url: string, init?: RequestInit) =>
      url.endsWith(shard) ? new Response(flood()) : run.fetch(url, init),
    );
    const honest = createApiClient({ coordinator: ORIGIN, patienceSeconds: 0 });
    expect(await codeOf(() => downloadState({ ...view, api: honest }, 0))).toBe("object-too-large");
    expect(taken).toBeLessThan(16 << 20);
  });
});

describe("the chain to a published state", () => {
  const at = async (round: number) => {
    const state = await newestPublished(view, round);
    if (state?.round !== round) throw new Error(`no state ${round}`);
    return state;
  };
  const check = async (round: number) => checkChain(view, await at(0), await at(round));
  beforeEach(async () => {
    for (const round of [1, 2, 3]) await run.emptyRound(peers, round);
  });

  it("leads to it from any place before, and from itself", async () => {
    for (const round of [1, 2, 3]) await check(round);
    await checkChain(view, await at(2), await at(2));
  });

  it("is another's if the state is of another manifest", async () => {
    await forgeState(2, (state) => ({ ...state, manifest: DIGEST }));
    expect(await codeOf(() => check(2))).toBe("broken-chain");
  });

  it("is another's if the manifest after it was made from other parameters", async () => {
    const state = await at(2);
    expect(await codeOf(async () => checkChain(view, await at(0), { ...state, stateHash: DIGEST }))).toBe(
      "broken-chain",
    );
  });

  it("must not have a gap", async () => {
    const state = await at(3);
    lies.set(keys.manifest(run.run, 2), null);
    expect(await codeOf(async () => checkChain(view, await at(0), state))).toBe("missing-fact");
  });

  it("is looked for no further back than it is of use", async () => {
    lies.set(keys.state(run.run, 3), null);
    expect((await newestPublished(view, 3, 2))?.round).toBe(2);
    expect(await newestPublished(view, 3, 3)).toBeNull();
  });
});

describe("a run", () => {
  it("that is not there, or shows another genesis, is not opened", async () => {
    const none = `none-${"0".repeat(32)}`;
    expect(await codeOf(() => openRunView(lyingClient(), none))).toBe("no-such-run");
    lies.set(keys.genesis(none), await stored(keys.genesis(run.run)));
    expect(await codeOf(() => openRunView(lyingClient(), none))).toBe("wrong-genesis");
  });

  it.each<[string, string]>([
    ["without its data index", "wrong-data-index"],
    ["with another data index", "wrong-data-index"],
    ["with a data index that one root signed", "missing-signature"],
  ])("%s is not opened", async (what, code) => {
    const key = keys.dataIndex(run.run);
    const index = await bodyOf<object>(key);
    const roots = [keyOf("root-1"), keyOf("root-2")];
    lies.set(
      key,
      what.startsWith("without")
        ? null
        : what.includes("one root")
          ? signToBytes("data-index", run.run, index, keyOf("root-1"))
          : signToBytes("data-index", run.run, { ...index, source: "elsewhere" }, ...roots),
    );
    expect(await codeOf(() => openRunView(lyingClient(), run.run))).toBe(code);
  });

  it("reads no object signed for another run", async () => {
    await run.emptyRound(peers, 1);
    const key = keys.manifest(run.run, 1);
    lies.set(key, signToBytes("manifest", `other-${"0".repeat(32)}`, await bodyOf<object>(key), coordinator));
    expect(await codeOf(() => readSigned(view, "manifest", key))).toBe("bad-signature");
  });
});
