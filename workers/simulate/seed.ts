/**
 * One seed: a whole run in a world of its own, from its first peer until everything is quiet.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { openRun } from "../../functions/rounds/run-context.ts";
import type { ObjectStore } from "../../functions/storage/object-store.ts";
import { createBucket, createDisk } from "./bucket.ts";
import { Coordinator } from "./coordinator.ts";
import { type FaultCounts, type FaultKind, Faults, faultKinds } from "./faults.ts";
import type { Violation } from "./invariants.ts";
import { type Membership, startEvaluator, startPeer } from "./members.ts";
import { startOperator } from "./operator.ts";
import { Random } from "./random.ts";
import { evaluatorKeys, keyOf, type PreparedRun, preparedFor, START_MS } from "./run.ts";
import { Scheduler } from "./scheduler.ts";
import { type Service, type Surroundings, services } from "./services.ts";
import { Timeline } from "./timeline.ts";
import { Watch } from "./watch.ts";

/** Faults strike for so long; then everything must come to its end in so much more. */
const FAULTS_MS = { shortest: 60_000, longest: 900_000 };
/** Rounds end long before; but a finished run that nobody scores is looked after for a day. */
const QUIET_MS = 26 * 3_600_000;
const OUTAGE_EVERY_MS = 300_000;
const OUTAGES: readonly Service[][] = [["store"], ["queue"], [...services]];
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
  /** Sweeps that nothing befell, and those of them that had something to record. */
  sweeps: { sound: number; ready: number };
  virtualSeconds: number;
  timeline: Timeline;
  /** Of the timeline: two worlds are the same if theirs are. */
  fingerprint: string;
}

/** Lives through one seed. The same seed and options, the same world. What throws in it is a violation, too. */
export async function simulateSeed(seed: number, options: SeedOptions = {}): Promise<SeedResult> {
  const { kinds = faultKinds } = options;
  const scheduler = new Scheduler(START_MS, new Random(seed, "order"));
  const timeline = new Timeline(() => scheduler.nowMs);
  const faults = new Faults(seed, kinds, (kind) => timeline.note("fault", kind));
  const around: Surroundings = { seed, scheduler, faults, timeline, away: [] };
  const prepared = await preparedFor(seed);
  const disk = await createDisk(around, prepared);
  const watch = new Watch(await openRun(disk, prepared.run), () => scheduler.nowMs, faults.counts);
  try {
    await live(around, prepared, disk, watch, options);
  } catch (error) {
    watch.fail(
      "nothing fails by itself",
      `the simulation failed: ${error instanceof Error ? error.stack : error}`,
    );
  }
  return {
    seed,
    violations: watch.violations,
    faults: faults.counts,
    rounds: watch.rounds,
    outcomes: watch.outcomes,
    sweeps: watch.sweeps,
    virtualSeconds: (scheduler.nowMs - START_MS) / 1_000,
    timeline,
    fingerprint: createHash("sha256").update(timeline.lines().join("\n")).digest("hex"),
  };
}

async function live(
  around: Surroundings,
  prepared: PreparedRun,
  disk: ObjectStore,
  watch: Watch,
  { breakStore = (store) => store }: SeedOptions,
): Promise<void> {
  const { seed, scheduler, faults, timeline } = around;
  const random = new Random(seed, "world");
  /** The store tells of an upload: once, or not, or twice, now or later. */
  const onUpload = (key: string) => {
    const deliver = () => {
      const delayed = faults.strikes("event-delayed");
      coordinator.notify(key, delayed ? faults.stream("event-delayed").between(1, 120) : 0);
    };
    if (faults.strikes("event-lost")) return;
    deliver();
    if (faults.strikes("event-doubled")) deliver();
  };
  const whole = createBucket(around, disk, onUpload, watch);
  const bucket = { ...whole, store: breakStore(whole.store) };
  const coordinator = new Coordinator(around, bucket, prepared.secrets, {
    onSweep: () => watch.onSweep(),
    onError: (error) => watch.onError(error),
  });
  const membership: Membership = {
    around,
    run: prepared.run,
    request: (url, init) => coordinator.request(url, init),
    onAnswer: (path, response) => watch.onAnswer(path, response),
    onEnded: (who, error) => watch.onMemberEnded(who, error),
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
  startOperator(around, bucket.store, prepared, watch);
  startOutages(around);
  scheduler.after(random.between(FAULTS_MS.shortest, FAULTS_MS.longest), () => {
    timeline.note("fault", "no more of them");
    faults.over = true;
    around.away = [];
    // However many have left: there are enough to go on.
    for (let i = 1; i <= LATE_PEERS; i++)
      peers.push(startPeer(membership, `late-${i}`, keyOf(`late-${i}`), target));
    scheduler.after(watch.longestLeftMs(), () => watch.onRoundsOver());
  });

  let finished = false;
  await scheduler.run(
    START_MS + FAULTS_MS.longest + QUIET_MS,
    () => finished || watch.violations.length > 0,
    async () => {
      finished = watch.hasEnded && peers.every((peer) => peer.finished() || !peer.stays);
      await watch.onEvent();
    },
  );
  if (watch.violations.length === 0) await watch.atEnd(disk, bucket, peers, finished);
}

function startOutages(around: Surroundings): void {
  const { scheduler, faults, timeline } = around;
  const stream = faults.stream("outage");
  const next = () => {
    if (faults.strikes("outage")) {
      around.away = stream.pick(OUTAGES);
      timeline.note("fault", `no answer from ${around.away.join(" and ")}`);
      scheduler.after(stream.between(OUTAGE_MS.shortest, OUTAGE_MS.longest), () => {
        around.away = [];
        timeline.note("fault", "the outage is over");
      });
    }
    scheduler.after(OUTAGE_EVERY_MS, next);
  };
  scheduler.after(OUTAGE_EVERY_MS, next);
}
