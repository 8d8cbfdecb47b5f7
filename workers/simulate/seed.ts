/**
 * One seed: a whole run in a world of its own, from its first peer until everything is quiet.
 *
 * @module
 */
import { openRun } from "../../functions/rounds/run-context.ts";
import { createMemoryObjectStore } from "../../functions/storage/memory-object-store.ts";
import { createMemoryQueue } from "../../functions/storage/memory-queue.ts";
import type { ObjectStore } from "../../functions/storage/object-store.ts";
import { MAX_RECEIVES, parseUploadKey } from "../../schemas/index.ts";
import { Coordinator } from "./coordinator.ts";
import { type FaultCounts, type FaultKind, Faults, faultKinds } from "./faults.ts";
import { type Violation, Watch } from "./invariants.ts";
import { isExpected, type Membership, startEvaluator, startPeer } from "./members.ts";
import { startOperator } from "./operator.ts";
import { Random } from "./random.ts";
import { evaluatorKeys, keyOf, ORIGIN, type PreparedRun, START_MS, TICKET_SECRET } from "./run.ts";
import { Scheduler } from "./scheduler.ts";
import type { Surroundings } from "./services.ts";
import { Timeline } from "./timeline.ts";

/** Faults strike for so long; then everything must come to its end in so much more. */
const FAULTS_MS = { shortest: 60_000, longest: 900_000 };
/** A day more than rounds need: so long a finished run is looked after that nobody scores. */
const QUIET_MS = 26 * 3_600_000;
const OUTAGE_EVERY_MS = 300_000;
const OUTAGE_MS = { shortest: 10_000, longest: 240_000 };
const PEERS = { fewest: 3, most: 5 };
const LATE_PEERS = 2;

export interface SeedOptions {
  /** Only these kinds of faults strike (all). */
  kinds?: readonly FaultKind[];
  /** Changes the coordinator's view of the bucket: a test removes a guard here to see its invariant fail. */
  breakStore?: (store: ObjectStore) => ObjectStore;
}

export interface SeedResult {
  seed: number;
  violations: Violation[];
  faults: FaultCounts;
  rounds: number;
  outcomes: { applied: number; empty: number; void: number };
  virtualSeconds: number;
  timeline: Timeline;
}

/** Lives through one seed. The same seed and options, the same world. */
export async function simulateSeed(
  prepared: PreparedRun,
  seed: number,
  { kinds = faultKinds, breakStore = (store) => store }: SeedOptions = {},
): Promise<SeedResult> {
  const random = new Random(seed, "world");
  const scheduler = new Scheduler(START_MS, new Random(seed, "order"));
  const timeline = new Timeline(() => scheduler.nowMs);
  const faults = new Faults(seed, kinds, (kind) => timeline.note("fault", kind));
  const around: Surroundings = { scheduler, random, faults, timeline, outage: false };
  const now = () => scheduler.nowMs;

  const disk = createMemoryObjectStore({ ticketSecret: TICKET_SECRET, baseUrl: ORIGIN, now });
  for (const [key, bytes] of prepared.objects) await disk.putIfAbsent(key, bytes);
  const watch = new Watch(await openRun(disk, prepared.run), now);
  const queue = () =>
    createMemoryQueue({
      maxReceives: MAX_RECEIVES,
      now,
      timer: (ms, callback) => scheduler.after(ms, callback),
    });
  const bucket = {
    store: breakStore(watched(disk, watch, (key) => notify(key))),
    ticks: queue(),
    shards: queue(),
    jobs: queue(),
  };
  const coordinator = new Coordinator(around, bucket, prepared.secrets, {
    onSweep: () => watch.onSweep(),
    onError: (error) => watch.onError(error),
  });

  /** The store tells of an upload: once, or not, or twice, now or later. */
  const notify = (key: string) => {
    if (parseUploadKey(key) === null) return;
    const deliver = () => {
      const delaySeconds = faults.strikes("event-delayed")
        ? faults.stream("event-delayed").between(1, 120)
        : 0;
      void bucket.shards.send(JSON.stringify({ type: "created", key }), { delaySeconds });
      coordinator.expect("shards", delaySeconds);
    };
    if (faults.strikes("event-lost")) return;
    deliver();
    if (faults.strikes("event-doubled")) deliver();
  };

  const membership: Membership = {
    around,
    run: prepared.run,
    request: (url, init) => coordinator.request(url, init),
    onAnswer: (path, response) => watch.onAnswer(path, response),
    onFailure: (who, error) => {
      if (!isExpected(error)) watch.fail("nothing fails by itself", `${who} ended with ${String(error)}`);
    },
  };
  const { parameters } = (await openRun(disk, prepared.run)).layout;
  const target = new Float32Array(parameters).map(() => random.fraction() - 0.5);
  const tokens = new Uint16Array(100_000);
  coordinator.start();
  const peers = Array.from({ length: random.between(PEERS.fewest, PEERS.most) }, (_, i) =>
    startPeer(membership, `peer-${i + 1}`, keyOf(`peer-${i + 1}`), target),
  );
  for (const [i, key] of evaluatorKeys.entries())
    startEvaluator(membership, `evaluator-${i + 1}`, key, target, tokens);
  startOperator(around, bucket.store, prepared, () => watch.openRound());
  startOutages(around);
  scheduler.after(random.between(FAULTS_MS.shortest, FAULTS_MS.longest), () => {
    timeline.note("fault", "no more of them");
    faults.over = true;
    around.outage = false;
    // However many have left: there are enough to go on.
    for (let i = 1; i <= LATE_PEERS; i++)
      peers.push(startPeer(membership, `late-${i}`, keyOf(`late-${i}`), target));
  });

  let finished = false;
  await scheduler.run(
    START_MS + FAULTS_MS.longest + QUIET_MS,
    () => finished || watch.violations.length > 0,
    () => {
      finished = watch.hasEnded && peers.every((peer) => peer.finished() || !peer.stays);
    },
  );
  if (watch.violations.length === 0) await watch.atEnd(peers, finished);
  return {
    seed,
    violations: watch.violations,
    faults: faults.counts,
    rounds: watch.rounds,
    outcomes: watch.outcomes,
    virtualSeconds: (scheduler.nowMs - START_MS) / 1_000,
    timeline,
  };
}

/** The store itself: tells the watch of every write, and who wants to know of every upload. */
function watched(disk: ObjectStore, watch: Watch, created: (key: string) => void): ObjectStore {
  return {
    ...disk,
    async putIfAbsent(key, bytes) {
      const put = await disk.putIfAbsent(key, bytes);
      if (put.outcome === "exists") watch.onRewrite(key, put.object.bytes, bytes);
      else {
        await watch.onWrite(key, bytes);
        created(key);
      }
      return put;
    },
    async compareAndSwap(key, bytes, etag) {
      const swap = await disk.compareAndSwap(key, bytes, etag);
      if (swap.outcome === "swapped") await watch.onWrite(key, bytes);
      return swap;
    },
    async delete(key) {
      await disk.delete(key);
      watch.onDelete(key);
    },
  };
}

function startOutages(around: Surroundings): void {
  const { scheduler, faults, timeline } = around;
  const stream = faults.stream("outage");
  const next = () => {
    if (faults.strikes("outage")) {
      around.outage = true;
      scheduler.after(stream.between(OUTAGE_MS.shortest, OUTAGE_MS.longest), () => {
        around.outage = false;
        timeline.note("fault", "the outage is over");
      });
    }
    scheduler.after(OUTAGE_EVERY_MS, next);
  };
  scheduler.after(OUTAGE_EVERY_MS, next);
}
