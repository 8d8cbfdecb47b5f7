/**
 * Each invariant is seen to fail once its guard is gone: a watch that never barks watches nothing. The list is that of
 * docs/reliability.md.
 */
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Decision } from "../../functions/coordinator/decision.ts";
import type { FactsOf } from "../../functions/coordinator/facts.ts";
import type { ObjectStore, StoredObject } from "../../functions/storage/object-store.ts";
import type { TriggerEnvironment } from "../../functions/triggers/environment.ts";
import { toInstant, toMilliseconds } from "../../schemas/index.ts";
import { type FaultKind, faultKinds } from "../../workers/simulate/faults.ts";
import type { Invariant } from "../../workers/simulate/invariants.ts";

const MOST_SEEDS = 40;

/** Lives through seeds until one violates something; which invariants that were. */
async function firstViolations(
  kinds: readonly FaultKind[],
  breakStore: (store: ObjectStore) => ObjectStore = (store) => store,
): Promise<Invariant[]> {
  const { simulateSeed } = await import("../../workers/simulate/seed.ts");
  for (let seed = 1; seed <= MOST_SEEDS; seed++) {
    const { violations } = await simulateSeed(seed, { kinds, breakStore });
    if (process.env.SHOW && violations.length > 0)
      console.log(seed, JSON.stringify(violations).slice(0, 500));
    if (violations.length > 0) return violations.map(({ invariant }) => invariant);
  }
  return [];
}

/** Guards that stand in the store's contract, or in what functions ask of it. */
const brokenStores: [string, Invariant, FaultKind[], (store: ObjectStore) => ObjectStore][] = [
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
    "every object is kept twice",
    "storage is bounded",
    [],
    (store) => ({
      ...store,
      async putIfAbsent(key, bytes) {
        await store.putIfAbsent(`views/copies/${key}`, bytes);
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
];

describe("without its guard", () => {
  it.each(brokenStores)("%s: %s", async (_, invariant, kinds, breakStore) => {
    expect(await firstViolations(kinds, breakStore)).toContain(invariant);
  });
});

type Guard =
  | "decideAggregate"
  | "decideEvaluate"
  | "decideSettle"
  | "decideTrain"
  | "checkUpload"
  | "judgeRound"
  | "publish"
  | "receiptsPages"
  | "select"
  | "sendTick"
  | "sweep";
type Original = Record<Guard, (...args: never[]) => unknown>;

/** A decision with something changed. */
const decided =
  (name: Guard, change: (decision: Decision) => Decision) =>
  ({ [name]: original }: Original) => ({
    [name]: (facts: never, asOfMs: never) => change(original(facts, asOfMs) as Decision),
  });

/** Guards that stand in decisions, and in what surrounds them. */
const brokenModules: [string, Invariant, readonly FaultKind[], string, (original: Original) => object][] = [
  [
    "a deadline has passed only half an hour later",
    "every round ends by its deadlines",
    ["peer-lies", "peer-vanishes"],
    "coordinator/deadlines.ts",
    () => ({ hasPassed: (deadlineMs: number, asOfMs: number) => asOfMs >= deadlineMs + 1_800_000 }),
  ],
  [
    "settling waits for every check, however long",
    "every round ends by its deadlines",
    [
      "message-delayed",
      "function-crash",
      "event-lost",
      "message-doubled",
      "store-answer-lost",
      "small-pages",
    ],
    "coordinator/settle.ts",
    ({ decideSettle }) => ({
      decideSettle: (facts: FactsOf<"settle">) =>
        decideSettle(facts as never, toMilliseconds(facts.cutoff.body.asOf) as never),
    }),
  ],
  [
    "a sweep never returns",
    "nothing fails by itself",
    [],
    "triggers/sweep.ts",
    ({ sweep }) => ({
      async sweep(environment: TriggerEnvironment) {
        const [open] = environment.openRounds.values();
        await sweep(environment as never);
        if (open !== undefined) await new Promise(() => {});
      },
    }),
  ],
  [
    "a phase does not say what it waits for",
    "an open phase waits for something",
    [],
    "coordinator/aggregate.ts",
    decided("decideAggregate", (decision) => ({ ...decision, waitingFor: [] })),
  ],
  [
    "who has delivered counts for who has not",
    "a departed peer closes no round early",
    ["peer-late", "peer-vanishes"],
    "coordinator/train.ts",
    ({ decideTrain }) => ({
      decideTrain(facts: FactsOf<"train">, asOfMs: number) {
        const everybody = facts.roster.body.peers.map(({ peer }) => peer);
        const delivered = facts.delivered.size >= 2 ? new Set(everybody) : facts.delivered;
        const decision = decideTrain({ ...facts, delivered } as never, asOfMs as never) as Decision;
        // It does not even own up to it.
        if (decision.record?.type === "cutoff") decision.record.body.early = false;
        return decision;
      },
    }),
  ],
  [
    "evaluating waits for no report",
    "no phase ends before its time",
    [],
    "coordinator/evaluate.ts",
    ({ decideEvaluate }) => ({
      decideEvaluate(facts: never, asOfMs: number) {
        const decision = decideEvaluate(facts, (asOfMs + 3_600_000) as never) as Decision;
        if (decision.record !== null) decision.record.body.asOf = toInstant(asOfMs);
        return decision;
      },
    }),
  ],
  [
    "who was in time is called late",
    "what was in time counts",
    [],
    "coordinator/deadlines.ts",
    () => ({
      isInTime: (atMs: number, deadline: string) => atMs <= toMilliseconds(deadline) - 60_000,
    }),
  ],
  [
    "the last receipt of a round is left out",
    "every peer has its receipt",
    [],
    "coordinator/receipts.ts",
    ({ receiptsPages }) => ({
      receiptsPages: (finished: never) =>
        (receiptsPages(finished) as { receipts: object[] }[]).map((page) => ({
          ...page,
          receipts: page.receipts.slice(0, -1),
        })),
    }),
  ],
  [
    "everybody selected weighs one",
    "weights sum to one or the round is empty",
    [],
    "coordinator/gauntlet/select.ts",
    ({ select }) => ({
      select(...args: never[]) {
        const chosen = select(...args) as { selected: object[] };
        return { ...chosen, selected: chosen.selected.map((one) => ({ ...one, weight: "3f800000" })) };
      },
    }),
  ],
  [
    "an update is judged again for every report",
    "nothing is scored twice",
    [],
    "coordinator/gauntlet/judge.ts",
    ({ judgeRound }) => ({
      judgeRound(...args: never[]) {
        const judged = judgeRound(...args) as { judgements: object[] };
        return { ...judged, judgements: [...judged.judgements, ...judged.judgements.slice(0, 1)] };
      },
    }),
  ],
  [
    "a manifest names the roster where it should name the cutoff",
    "there is one history",
    [],
    "coordinator/aggregate.ts",
    decided("decideAggregate", (decision) => {
      if (decision.record?.type === "manifest") decision.record.body.cutoff = decision.record.body.roster;
      return decision;
    }),
  ],
  [
    "the head is moved before receipts and ledger are written",
    "the head is moved last, and only forward",
    [],
    "rounds/publish.ts",
    ({ publish }) => ({
      async publish(context: { store: ObjectStore }, ...rest: never[]) {
        // The first ledger page stands for all: with it, nothing but the head is left to be done.
        const headFirst = { ...context, cache: { through: async () => ({}) } };
        await publish(headFirst as never, ...rest);
        await publish(context as never, ...rest);
      },
    }),
  ],
  [
    "a pause is not heard",
    "the operator's word counts",
    ["operator"],
    "coordinator/controls.ts",
    () => ({ pausedBecause: () => null }),
  ],
  [
    "three void rounds in a row pause nothing",
    "the operator's word counts",
    faultKinds,
    "coordinator/controls.ts",
    () => ({ resumedSince: () => true }),
  ],
  [
    "an aborted round goes on",
    "the operator's word counts",
    ["operator"],
    "coordinator/controls.ts",
    () => ({ isAborted: () => false }),
  ],
  [
    "a listing ends with its first page",
    "what was in time counts",
    ["small-pages"],
    "storage/object-store.ts",
    () => ({
      async *listAll(store: ObjectStore, prefix: string) {
        yield* (await store.list(prefix)).objects;
      },
    }),
  ],
  [
    "the first three checks of an upload fail",
    "nothing fails by itself",
    [],
    "rounds/check-upload.ts",
    ({ checkUpload }) => {
      const failed = new Map<string, number>();
      return {
        async checkUpload(context: never, upload: never) {
          const key = JSON.stringify(upload);
          const failures = failed.get(key) ?? 0;
          failed.set(key, failures + 1);
          if (failures < 3) throw new TypeError("not as it should be");
          return checkUpload(context, upload);
        },
      };
    },
  ],
  [
    "nobody waits until a tick is sent",
    "nothing fails by itself",
    [],
    "triggers/environment.ts",
    ({ sendTick }) => ({
      async sendTick(...args: never[]) {
        void sendTick(...args);
      },
    }),
  ],
];

describe("with a decision gone wrong", () => {
  afterEach(() => {
    vi.resetModules();
  });

  it.each(brokenModules)("%s: %s", async (_, invariant, kinds, module, broken) => {
    const path = `../../functions/${module}`;
    vi.resetModules();
    vi.doMock(path, async (load) => {
      const original = await load<Original>();
      return { ...original, ...broken(original) };
    });
    try {
      expect(await firstViolations(kinds)).toContain(invariant);
    } finally {
      vi.doUnmock(path);
    }
  });
});

it("what a violation needs is told with no more kinds of faults than it takes", async () => {
  const { shrink } = await import("../../workers/simulate/shrink.ts");
  const { simulateSeed } = await import("../../workers/simulate/seed.ts");
  const broken = brokenStores.find(([title]) => title.startsWith("an upload's time"));
  if (broken === undefined) throw new Error("no such mutation");
  const [, invariant, , breakStore] = broken;
  for (let seed = 1; ; seed++) {
    const { violations, faults } = await simulateSeed(seed, { breakStore });
    if (violations[0]?.invariant !== invariant) continue;
    const shrunk = await shrink(seed, { breakStore });
    if (shrunk === null) throw new Error(`seed ${seed} is not the same world again`);
    const { kinds, result } = shrunk;
    expect(result.violations[0]?.invariant).toBe(invariant);
    expect(kinds.length).toBeLessThan(Object.values(faults).filter((count) => count > 0).length);
    for (const kind of kinds) {
      const fewer = await simulateSeed(seed, {
        kinds: kinds.filter((one) => one !== kind),
        breakStore,
      });
      expect(fewer.violations[0]?.invariant, kind).not.toBe(invariant);
    }
    // The very same world comes of what the told command says.
    const again = await simulateSeed(seed, { kinds, breakStore });
    expect(again.violations).toEqual(result.violations);
    return;
  }
});
