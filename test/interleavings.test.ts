import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decide } from "../functions/coordinator/decide.ts";
import type { RoundFacts } from "../functions/coordinator/facts.ts";
import { emptyLedger, ledgerAfter, ledgerPages } from "../functions/coordinator/ledger.ts";
import { receiptsOf } from "../functions/coordinator/receipts.ts";
import { closeLink, rosterLink, verifiesLink } from "../functions/coordinator/seed-chain.ts";
import {
  memoryRunConfig,
  memoryRunSecrets,
  RunInMemory,
  storeAt,
} from "../functions/coordinator/testing/run-in-memory.ts";
import { aggregateShard } from "../functions/rounds/aggregate-shard.ts";
import { checkUpload } from "../functions/rounds/check-upload.ts";
import { ratingSettings, readFinishedRound } from "../functions/rounds/history.ts";
import { publishRound } from "../functions/rounds/publish.ts";
import { readFacts } from "../functions/rounds/read-facts.ts";
import { openRun, type RunContext } from "../functions/rounds/run-context.ts";
import { writeStateShard } from "../functions/rounds/state-shard.ts";
import { dispatch } from "../functions/triggers/dispatch.ts";
import type { TriggerEnvironment } from "../functions/triggers/environment.ts";
import { sweep } from "../functions/triggers/sweep.ts";
import { tick } from "../functions/triggers/tick.ts";
import {
  type AggregateSet,
  close as closeSchema,
  f32FromHex,
  head as headSchema,
  isOuterloopError,
  keys,
  parseCanonical,
  parseUploadKey,
  sha256,
  signed,
  signToBytes,
  toMilliseconds,
} from "../schemas/index.ts";

/** What may happen, in any order; the numbers say to whom. */
type Event =
  | { kind: "take-part" | "announce" | "leave"; peer: number }
  | { kind: "commit"; peer: number; wrongState: boolean }
  | { kind: "upload"; peer: number; shard: number; broken: boolean; announced: boolean }
  | { kind: "deliver"; message: number; twice: boolean; to: number }
  | { kind: "lose"; message: number }
  | { kind: "report"; evaluator: number; job: number; gains: (number | null)[] }
  | { kind: "guard"; evaluator: number; set: AggregateSet; change: number | null }
  | { kind: "tick" | "sweep" | "crash"; process: number }
  | { kind: "pause" | "resume" }
  | { kind: "abort"; meant: boolean };

const peer = fc.nat(3);
const process = fc.nat(1);
const kind = <Kind extends Event["kind"]>(...kinds: Kind[]) => fc.constantFrom(...kinds);
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 40, arbitrary: fc.record({ kind: kind("take-part"), peer }) },
  { weight: 4, arbitrary: fc.record({ kind: kind("announce"), peer }) },
  { weight: 4, arbitrary: fc.record({ kind: kind("commit"), peer, wrongState: often(3) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: kind("upload"),
      peer,
      shard: fc.nat(1),
      broken: often(3),
      announced: fc.boolean(),
    }),
  },
  {
    weight: 30,
    arbitrary: fc.record({ kind: kind("deliver"), message: fc.nat(20), twice: often(4), to: process }),
  },
  { weight: 3, arbitrary: fc.record({ kind: kind("lose"), message: fc.nat(20) }) },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: kind("report"),
      evaluator: fc.nat(1),
      job: fc.nat(3),
      gains: fc.array(fc.constantFrom(0.1, 0.2, 0.1, 0.3, 0, -0.1, null), { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: kind("guard"),
      evaluator: fc.nat(1),
      set: fc.constantFrom("selected" as const, "established" as const),
      change: fc.constantFrom(-0.1, -0.1, 0, 2, null),
    }),
  },
  { weight: 20, arbitrary: fc.record({ kind: kind("tick"), process }) },
  { weight: 8, arbitrary: fc.record({ kind: kind("sweep", "crash"), process }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("pause", "resume", "resume") }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("abort"), meant: often(4) }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("leave"), peer }) },
);

/** True once in so many times. */
function often(times: number): fc.Arbitrary<boolean> {
  return fc.nat(times - 1).map((n) => n === 0);
}

/** What happens at once, and how much later the next things do. */
const moment = fc.record({
  events: fc.array(event, { minLength: 1, maxLength: 8 }),
  laterMs: fc.constantFrom(0, 0, 0, 300, 1_000, 2_000, 7_000, 30_000),
});

/** Refusals that a peer or evaluator meets when it comes too late, too early or twice. */
const REFUSALS = [
  "round-closed",
  "no-roster",
  "not-in-roster",
  "already-committed",
  "already-announced",
  "upload-over",
  "wrong-manifest",
  "round-not-open",
  "no-close",
  "no-selection",
  "wrong-report",
];

class Story {
  readonly world: RunInMemory;
  readonly #skews: readonly number[];
  readonly #processes: TriggerEnvironment[];

  constructor(world: RunInMemory, skews: readonly number[]) {
    this.world = world;
    this.#skews = skews;
    this.#processes = skews.map((skew) => world.process(skew));
  }

  process(index: number): TriggerEnvironment {
    const found = this.#processes[index];
    if (found === undefined) throw new Error(`no process ${index}`);
    return found;
  }

  crash(index: number): void {
    this.#processes[index] = this.world.process(this.#skews[index] ?? 0);
  }

  async happen(event: Event): Promise<void> {
    const { world } = this;
    const { messages } = world;
    const someone = "peer" in event ? world.peers[event.peer % world.peers.length] : world.peers[0];
    if (someone === undefined) return;
    switch (event.kind) {
      case "take-part":
        return refusable(world.takePart(someone));
      case "announce":
        return refusable(world.announce(someone));
      case "leave":
        return refusable(world.announce(someone, true));
      case "commit":
        return refusable(world.commit(someone, event));
      case "upload":
        return world.upload(someone, event.shard, event);
      case "report":
        return refusable(world.report(event.evaluator, event.job, event.gains));
      case "guard":
        return refusable(world.guard(event.evaluator, event.set, event.change));
      case "deliver": {
        if (messages.length === 0) return;
        const at = event.message % messages.length;
        const [body = ""] = event.twice ? messages.slice(at, at + 1) : messages.splice(at, 1);
        return this.deliver(event.to, [body]);
      }
      case "lose":
        if (messages.length > 0) messages.splice(event.message % messages.length, 1);
        return;
      case "tick":
        return void (await tick(this.process(event.process), world.run));
      case "sweep":
        return sweep(this.process(event.process));
      case "crash":
        return this.crash(event.process);
      case "pause":
        return world.control({ kind: "pause", reason: "test" });
      case "resume":
        return world.control({ kind: "resume" });
      case "abort":
        if (!event.meant) return;
        return world.control({ kind: "abort", round: await world.openRound(), reason: "test" });
    }
  }

  async deliver(to: number, bodies: readonly string[]): Promise<void> {
    const messages = bodies.map((body, i) => ({ id: `${i}`, body, lease: "", receives: 1 }));
    await dispatch(this.process(to), messages);
  }

  /** An open phase always says what it waits for, to readers too. */
  async checkWaiting(): Promise<void> {
    const { facts, asOfMs } = await readFacts(await this.world.reader());
    const { seeds: _, ...rest } = facts;
    const { waitingFor, reason } = decide(rest as RoundFacts, asOfMs);
    expect(reason.length).toBeGreaterThan(0);
    expect(waitingFor.length > 0).toBe(facts.phase !== "finished");
  }

  /** From here on everybody does what is to be done, so the run must come to its end. */
  async comeToAnEnd(): Promise<void> {
    const { world } = this;
    for (let step = 0; step < 150; step++) {
      const round = await world.openRound();
      if (round > memoryRunConfig.rounds) break;
      await world.control({ kind: "resume" });
      const closed = (await world.store.head(keys.close(world.run, round))) !== null;
      const work = closed
        ? [0, 1].flatMap((evaluator) => [
            ...[0, 1, 2].map((job) => refusable(world.report(evaluator, job, [0.1, 0.2]))),
            refusable(world.guard(evaluator, "selected", -0.1)),
          ])
        : world.peers.map((one) => refusable(world.takePart(one)));
      const bodies = world.messages.splice(0);
      await world.interleaver.run([
        ...work,
        this.deliver(step % 2, bodies),
        sweep(this.process((step + 1) % 2)),
      ]);
      world.clock.nowMs += 1_500;
    }
    // The last state is off the critical path: its messages are still on their way.
    for (let step = 0; step < 6; step++) {
      world.clock.nowMs += 1_500;
      await world.interleaver.run([sweep(this.process(0)), this.deliver(1, world.messages.splice(0))]);
    }
  }
}

async function refusable(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!isOuterloopError(error) || !REFUSALS.includes(error.code)) throw error;
  }
}

/** The head says in the end that there is nothing to come. */
async function checkHead(world: RunInMemory): Promise<void> {
  const object = await world.store.get(keys.head(world.run));
  const { body } = parseCanonical(signed(headSchema), object?.bytes ?? new Uint8Array(), "head");
  expect(body).toMatchObject({ round: memoryRunConfig.rounds + 1, finished: true, nextBy: null });
}

/** One history: chained, signed, replayable from the bucket alone. */
async function checkHistory(world: RunInMemory): Promise<void> {
  const reader = await world.reader();
  const { seedChain } = reader.genesis.body;
  const anchor = { index: 0, link: seedChain.anchor };
  let previous = reader.genesis.hash;
  let ledger = emptyLedger;
  for (let round = 1; round <= memoryRunConfig.rounds; round++) {
    const finished = await readFinishedRound(reader, round);
    const { roster, close, selection, manifest } = finished;
    expect(manifest.body.previousManifest).toBe(previous);
    expect(roster.body.previousManifest).toBe(previous);
    expect([manifest.body.roster, manifest.body.close, manifest.body.selection]).toEqual([
      roster.hash,
      close.hash,
      selection.hash,
    ]);
    expect([close.body.roster, selection.body.close]).toEqual([roster.hash, close.hash]);
    expect(verifiesLink(seedChain.id, rosterLink(round), roster.body.seed, anchor)).toBe(true);
    expect(verifiesLink(seedChain.id, closeLink(round), close.body.seed, anchor)).toBe(true);
    previous = manifest.hash;

    const times = [roster, close, selection, manifest].map(({ body }) => toMilliseconds(body.asOf));
    for (const [i, at] of times.entries()) expect(at).toBeGreaterThanOrEqual((times[i - 1] ?? 0) - 3_000);

    const { selected, outcome } = selection.body;
    const weights = selected.map(({ weight }) => f32FromHex(weight)).reduce((sum, weight) => sum + weight, 0);
    if (outcome === "empty") expect(selected).toEqual([]);
    else expect(Math.abs(weights - 1)).toBeLessThan(1e-6);
    if (manifest.body.outcome === "applied") expect(outcome).toBe("aggregate");

    const receipts = receiptsOf(finished);
    expect(receipts.slice(0, roster.body.peers.length).map((one) => one.peer)).toEqual(
      roster.body.peers.map((one) => one.peer),
    );
    expect(new Set(receipts.map((one) => one.peer)).size).toBe(receipts.length);

    // What was acknowledged got a verdict, this very commit.
    for (const { peer, commit } of world.acknowledged.filter((one) => one.round === round)) {
      expect(close.body.submissions).toContainEqual(expect.objectContaining({ peer, commit }));
      expect(receipts.find((one) => one.peer === peer)?.verdict).not.toBe("absent");
    }

    // The ledger is a function of the ledger before and this round.
    ledger = ledgerAfter(ledger, finished, ratingSettings(reader.genesis.body));
    for (const page of ledgerPages(ledger, finished)) {
      const stored = await world.store.get(keys.ledger(world.run, round, page.page));
      const expected = signToBytes("ledger", world.run, page, memoryRunSecrets.coordinator);
      expect(Buffer.from(stored?.bytes ?? []).equals(Buffer.from(expected))).toBe(true);
    }
  }
}

const FACTS =
  /\/(genesis|roster|cutoff|close|selection|manifest|commit)\.json$|\/(data|peers|intents|reports|guards|controls)\/|^uploads\/|states\/00000000/;

/** All that is derived comes out with equal bytes when somebody else derives it again from the facts alone. */
async function checkDerived(world: RunInMemory): Promise<void> {
  const objects = await world.objects();
  const clock = { nowMs: 0 };
  const copy = storeAt(clock);
  for (const [key, { bytes, lastModifiedMs }] of objects) {
    clock.nowMs = lastModifiedMs;
    if (FACTS.test(key)) await copy.putIfAbsent(key, bytes);
  }
  const context: RunContext = await openRun(copy, world.run, memoryRunSecrets);
  for (const key of objects.keys()) {
    const upload = parseUploadKey(key);
    if (upload !== null) await checkUpload(context, upload);
  }
  for (let round = 1; round <= memoryRunConfig.rounds; round++) {
    for (const { number } of context.layout.shards) {
      for (const set of ["selected", "established"] as const) {
        // The second sum is made only where the guard has refused the first.
        const record = keys.aggregateRecord(world.run, round, number, set);
        if (objects.has(record)) await aggregateShard(context, round, number, set);
      }
      await writeStateShard(context, round, number);
    }
    await publishRound(context, round);
  }
  for (const [key, { bytes }] of objects) {
    const again = await copy.get(key);
    // An abort may have come between the aggregate of a shard and the manifest; head and markers are no facts.
    if (again === null) expect(key).toMatch(/head\.json$|^active\/|\.check\.json$|submission\.json$/);
    else expect([key, sha256(again.bytes)]).toEqual([key, sha256(bytes)]);
  }
}

describe("a commit at the end of its round", () => {
  it("counts if it was acknowledged, and is told so if it was not, wherever the others are", async () => {
    const seen = { counted: 0, refused: 0 };
    for (let n = 0; n < 80; n++) {
      const world = await RunInMemory.create(sha256(Buffer.from(`race ${n}`)), { peers: 3 });
      const story = new Story(world, [0, 900]);
      await world.interleaver.run(world.peers.map((one) => world.announce(one)));
      await world.interleaver.run([story.happen({ kind: "tick", process: 0 })]);
      const [late, ...others] = world.peers;
      if (late === undefined) throw new Error("no peers");
      for (let step = 0; step < 3; step++)
        await world.interleaver.run(others.map((one) => world.takePart(one)));
      await world.interleaver.run([story.deliver(0, world.messages.splice(0))]);
      // Two have delivered, and commitBy has passed: nobody waits for the third any more.
      world.clock.nowMs += 33_000;
      const answers: string[] = [];
      const commit = world.commit(late).then(
        () => answers.push("acknowledged"),
        (error: unknown) => answers.push(isOuterloopError(error) ? error.code : String(error)),
      );
      await world.interleaver.run([
        commit,
        story.happen({ kind: "tick", process: 0 }),
        story.happen({ kind: "tick", process: 1 }),
      ]);
      // A commit that came before the decision is waited for, until the deadline of its upload.
      world.clock.nowMs += 60_000;
      await world.interleaver.run([story.happen({ kind: "tick", process: 0 })]);
      const object = await world.store.get(keys.close(world.run, 1));
      const close = parseCanonical(signed(closeSchema), object?.bytes ?? new Uint8Array(), "close").body;
      const counted = close.submissions.some((one) => one.peer === late.publicKey);
      const [answer] = answers;
      expect(["acknowledged", "round-closed"]).toContain(answer);
      if (answer === "acknowledged") expect(counted).toBe(true);
      seen[counted ? "counted" : "refused"] += 1;
    }
    expect(seen.counted).toBeGreaterThan(10);
    expect(seen.refused).toBeGreaterThan(10);
  });
});

describe("a run, whatever happens in whatever order", () => {
  it("has one history, counts what it acknowledged, and derives everything from its facts", async () => {
    const seen = { applied: 0, empty: 0, void: 0, acknowledged: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(moment, { minLength: 20, maxLength: 80 }),
        fc.tuple(fc.constantFrom(0, -900, 900), fc.constantFrom(0, -900, 900)),
        fc.nat(1_000_000),
        async (moments, skews, seed) => {
          const world = await RunInMemory.create(sha256(Buffer.from(`${seed}`)));
          const story = new Story(world, skews);
          for (const { events, laterMs } of moments) {
            await world.interleaver.run(events.map((one) => story.happen(one)));
            await story.checkWaiting();
            world.clock.nowMs += laterMs;
          }
          await story.comeToAnEnd();
          expect(world.errors).toEqual([]);
          const { facts } = await readFacts(await world.reader());
          expect(facts.phase).toBe("finished");
          await checkHead(world);
          await checkHistory(world);
          await checkDerived(world);
          seen.acknowledged += world.acknowledged.length;
          for (let round = 1; round <= memoryRunConfig.rounds; round++) {
            const manifest = (await readFinishedRound(await world.reader(), round)).manifest;
            seen[manifest.body.outcome] += 1;
          }
        },
      ),
      { numRuns: 25, seed: 20_260_131, endOnFailure: true },
    );
    // The stories are of all kinds: otherwise this test says little.
    expect(Math.min(seen.applied, seen.empty, seen.void)).toBeGreaterThan(0);
    expect(seen.acknowledged).toBeGreaterThan(100);
  });
});
