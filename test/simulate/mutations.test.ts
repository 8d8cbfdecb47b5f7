/**
 * Each invariant is seen to fail once its guard is gone: a watch that never barks watches nothing. The list is that of
 * docs/reliability.md.
 */
import { afterEach, describe, expect, it, vi } from "vitest";
import type { ObjectStore, StoredObject } from "../../functions/storage/object-store.ts";
import type { FaultKind } from "../../workers/simulate/faults.ts";
import type { Invariant } from "../../workers/simulate/invariants.ts";
import { prepareRun, simulatedConfig } from "../../workers/simulate/run.ts";

const MOST_SEEDS = 40;

/** Lives through seeds until one violates something; which invariants that were. */
async function firstViolations(
  kinds: readonly FaultKind[],
  breakStore: (store: ObjectStore) => ObjectStore = (store) => store,
): Promise<Invariant[]> {
  const { simulateSeed } = await import("../../workers/simulate/seed.ts");
  const prepared = await prepareRun(simulatedConfig);
  for (let seed = 1; seed <= MOST_SEEDS; seed++) {
    const { violations } = await simulateSeed(prepared, seed, { kinds, breakStore });
    if (violations.length > 0) return violations.map(({ invariant }) => invariant);
  }
  return [];
}

/** Guards that stand in the store's contract, or in what functions ask of it. */
const mutations: [string, Invariant, FaultKind[], (store: ObjectStore) => ObjectStore][] = [
  [
    "the sweep finds no active run",
    "every round ends by its deadlines",
    [],
    (store) => ({
      ...store,
      list: async (prefix, options) =>
        prefix === "active/" ? { objects: [], next: null } : store.list(prefix, options),
    }),
  ],
  [
    "the head is swapped blindly, without a look at what stands",
    "the head only moves forward",
    ["store-slow", "message-doubled"],
    (store) => {
      let looks = 0;
      return {
        ...store,
        async get(key, options) {
          // Every other look finds none: those who only read it ask again.
          if (key.endsWith("/head.json") && looks++ % 2 === 0) return null;
          return store.get(key, options);
        },
        compareAndSwap: async (key, bytes) =>
          store.compareAndSwap(key, bytes, (await store.head(key))?.etag ?? null),
      };
    },
  ],
  [
    "an upload's time changes from one look to the next",
    "what is derived has equal bytes",
    ["event-doubled", "store-answer-lost"],
    (store) => {
      let looks = 0;
      return {
        ...store,
        async head(key) {
          const info = await store.head(key);
          if (info === null || !key.startsWith("uploads/")) return info;
          return { ...info, lastModifiedMs: info.lastModifiedMs + 1_000 * ++looks };
        },
      };
    },
  ],
  [
    "the API does not look for the cutoff",
    "what was acknowledged has a verdict",
    ["peer-late", "store-slow", "message-delayed"],
    (store) => ({
      ...store,
      head: async (key) => (key.endsWith("/cutoff.json") ? null : store.head(key)),
    }),
  ],
  [
    "a decision may be recorded over another one",
    "there is one history",
    ["store-slow", "message-doubled", "store-answer-lost", "function-crash"],
    (store) => ({
      ...store,
      async putIfAbsent(key, bytes) {
        if (!/\/(roster|close|selection|manifest)\.json$/.test(key)) return store.putIfAbsent(key, bytes);
        const swap = await store.compareAndSwap(key, bytes, (await store.head(key))?.etag ?? null);
        if (swap.outcome === "swapped") return { outcome: "created", info: swap.info };
        return { outcome: "exists", object: (await store.get(key)) as StoredObject };
      },
    }),
  ],
  [
    "functions read other parameters than were published",
    "honest peers hold the published state",
    [],
    (store) => ({
      ...store,
      async get(key, options) {
        const object = await store.get(key, options);
        if (object === null || !/\/states\/0+1\/\d+\.f32$/.test(key)) return object;
        return { ...object, bytes: object.bytes.map((byte, i) => (i === 0 ? byte ^ 1 : byte)) };
      },
    }),
  ],
  [
    "every object is kept with copies",
    "storage is bounded",
    [],
    (store) => ({
      ...store,
      async putIfAbsent(key, bytes) {
        for (let copy = 0; copy < 3; copy++) await store.putIfAbsent(`views/copies/${copy}/${key}`, bytes);
        return store.putIfAbsent(key, bytes);
      },
    }),
  ],
  [
    "the mark of an active run cannot be deleted",
    "the run ends",
    [],
    (store) => ({ ...store, delete: async () => {} }),
  ],
  [
    "a manifest is not kept",
    "every round ends by its deadlines",
    [],
    (store) => ({
      ...store,
      async putIfAbsent(key, bytes) {
        if (!key.endsWith("/00000003/manifest.json")) return store.putIfAbsent(key, bytes);
        return { outcome: "created", info: { key, sizeBytes: bytes.length, etag: "lost" } };
      },
    }),
  ],
  [
    "reading a round fails",
    "nothing fails by itself",
    [],
    (store) => ({
      ...store,
      list: async (prefix, options) => {
        if (prefix.startsWith("sealed/")) throw new TypeError("not as it should be");
        return store.list(prefix, options);
      },
    }),
  ],
];

describe("without its guard", () => {
  it.each(mutations)("%s: %s", async (_, invariant, kinds, breakStore) => {
    expect(await firstViolations(kinds, breakStore)).toContain(invariant);
  });
});

it("what a violation needs is told with no more kinds of faults than it takes", async () => {
  const { shrink } = await import("../../workers/simulate/shrink.ts");
  const { simulateSeed } = await import("../../workers/simulate/seed.ts");
  const broken = mutations.find(([title]) => title.startsWith("an upload's time"));
  if (broken === undefined) throw new Error("no such mutation");
  const [, invariant, , breakStore] = broken;
  const prepared = await prepareRun(simulatedConfig);
  for (let seed = 1; ; seed++) {
    const { violations, faults } = await simulateSeed(prepared, seed, { breakStore });
    if (violations[0]?.invariant !== invariant) continue;
    const { kinds, result } = await shrink(prepared, seed, { breakStore });
    expect(result.violations[0]?.invariant).toBe(invariant);
    expect(kinds.length).toBeLessThan(Object.keys(faults).length);
    for (const kind of kinds) {
      const fewer = await simulateSeed(prepared, seed, {
        kinds: kinds.filter((one) => one !== kind),
        breakStore,
      });
      expect(fewer.violations[0]?.invariant, kind).not.toBe(invariant);
    }
    // The very same world comes of what the told command says.
    const again = await simulateSeed(prepared, seed, { kinds, breakStore });
    expect(again.violations).toEqual(result.violations);
    return;
  }
});

/** Guards that stand in decisions. */
const brokenModules: [string, Invariant, FaultKind[], string, (original: Record<string, never>) => object][] =
  [
    [
      "a phase does not say what it waits for",
      "an open phase waits for something",
      [],
      "../../functions/coordinator/train.ts",
      (original) => ({
        decideTrain: (...args: unknown[]) => ({
          ...(original.decideTrain as unknown as (...args: unknown[]) => object)(...args),
          waitingFor: [],
        }),
      }),
    ],
    [
      "everybody selected weighs one",
      "weights sum to one or the round is empty",
      [],
      "../../functions/coordinator/gauntlet/select.ts",
      (original) => ({
        ...original,
        select: (...args: unknown[]) => {
          const chosen = (original.select as unknown as (...args: unknown[]) => { selected: object[] })(
            ...args,
          );
          return { ...chosen, selected: chosen.selected.map((one) => ({ ...one, weight: "3f800000" })) };
        },
      }),
    ],
    [
      "an update is judged again for every report",
      "nothing is scored twice",
      [],
      "../../functions/coordinator/gauntlet/judge.ts",
      (original) => ({
        ...original,
        judgeRound: (...args: unknown[]) => {
          const judged = (original.judgeRound as unknown as (...args: unknown[]) => { judgements: object[] })(
            ...args,
          );
          return { ...judged, judgements: [...judged.judgements, ...judged.judgements.slice(0, 1)] };
        },
      }),
    ],
    [
      "who has delivered counts for who has not",
      "a departed peer closes no round early",
      ["peer-late", "peer-vanishes"],
      "../../functions/coordinator/train.ts",
      (original) => ({
        decideTrain: (
          facts: { delivered: Set<string>; roster: { body: { peers: { peer: string }[] } } },
          asOfMs: number,
        ) => {
          const everybody = facts.roster.body.peers.map(({ peer }) => peer);
          const delivered = facts.delivered.size >= 2 ? new Set(everybody) : facts.delivered;
          return (original.decideTrain as unknown as (...args: unknown[]) => object)(
            { ...facts, delivered },
            asOfMs,
          );
        },
      }),
    ],
  ];

describe("with a decision gone wrong", () => {
  afterEach(() => {
    vi.doUnmock("../../functions/coordinator/train.ts");
    vi.resetModules();
  });

  it.each(brokenModules)("%s: %s", async (_, invariant, kinds, module, broken) => {
    vi.resetModules();
    vi.doMock(module, async (original) => broken(await original()));
    try {
      expect(await firstViolations(kinds)).toContain(invariant);
    } finally {
      vi.doUnmock(module);
    }
  });
});
