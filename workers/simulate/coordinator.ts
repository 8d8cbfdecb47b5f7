/**
 * The coordinator as Lambda runs it: functions that are started for a batch of messages, for a request or by a schedule,
 * keep their memory while they are warm, and may die at any await. The handlers are the real ones.
 *
 * @module
 */
import type { SQSRecord } from "aws-lambda";
import { createApi } from "../../functions/api/app.ts";
import { MANY_FACTS } from "../../functions/rounds/fact-cache.ts";
import { createNudger } from "../../functions/rounds/nudger.ts";
import { oncePerRun } from "../../functions/rounds/once-per-run.ts";
import { openRun, type RunSecrets } from "../../functions/rounds/run-context.ts";
import type { ObjectStore } from "../../functions/storage/object-store.ts";
import type { Message, Queue } from "../../functions/storage/queue.ts";
import type { Log, TriggerEnvironment } from "../../functions/triggers/environment.ts";
import { handleBatch } from "../../functions/triggers/lambda/batch.ts";
import { sweep } from "../../functions/triggers/sweep.ts";
import { AUTHORITY, apiKey, TICKET_SECRET } from "./run.ts";
import { kill, type Process } from "./scheduler.ts";
import { type Client, queueOf, Spending, type Surroundings, storeOf } from "./services.ts";

/** The sweep comes this often; with the margin of deadlines, this is what a phase may last beyond its window. */
export const SWEEP_MS = 60_000;
/** What a function may take before it is ended, and how long its batch is then hidden. */
export interface Limits {
  limitMs: number;
  leaseSeconds: number;
  atWork: { ticks: number; shards: number; sweep: number; api: number };
}
const LIMITS: Limits = {
  limitMs: 60_000,
  leaseSeconds: 90,
  atWork: { ticks: 2, shards: 4, sweep: 2, api: 64 },
};
/** Ticks are consumed in batches. */
const BATCH_WINDOW_MS = { ticks: 1_000, shards: 0 };
/** How soon a service that nobody answered is asked again by who runs the functions. */
const OUTAGE_POLL_MS = 5_000;
const SKEW_MS = 4_000;
/** How soon peers are told to ask again. */
const POLL_AFTER_SECONDS = 8;

export interface Bucket {
  store: ObjectStore;
  ticks: Queue;
  shards: Queue;
  jobs: Queue;
}

/** A warm function and its memory. */
export interface Container extends Client {
  readonly environment: TriggerEnvironment;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
}

/** How a sweep went: whoever proves bounds counts those that nothing was done to. */
export interface Swept {
  disturbed: boolean;
  error: unknown;
}

/** An error that a function reported or ended with. */
export interface FunctionError {
  who: string;
  disturbed: boolean;
  message: string;
}

export interface Observers {
  /** Called when a sweep begins; what it returns, when it has ended. */
  onSweep: () => Promise<(swept: Swept) => Promise<void>>;
  onError: (error: FunctionError) => void;
}

export class Coordinator {
  readonly #around: Surroundings;
  readonly #bucket: Bucket;
  readonly #secrets: RunSecrets;
  readonly #onSweep: Observers["onSweep"];
  readonly #onError: Observers["onError"];
  readonly #limits: Limits;
  readonly #idle = new Map<string, Container[]>();
  readonly #working = new Map<string, number>();
  readonly #due = new Set<string>();
  /** What functions asked of store and queues, and how long they worked; requests may be counted apart. */
  readonly spent = new Spending();
  #made = 0;

  constructor(
    around: Surroundings,
    bucket: Bucket,
    secrets: RunSecrets,
    observers: Observers,
    limits = LIMITS,
  ) {
    this.#limits = limits;
    this.#around = around;
    this.#bucket = bucket;
    this.#secrets = secrets;
    this.#onSweep = observers.onSweep;
    this.#onError = observers.onError;
  }

  /** Begins the schedule of the sweep. */
  start(): void {
    const { scheduler, random } = this.#around;
    const next = () => {
      void this.#sweep();
      scheduler.after(SWEEP_MS, next);
    };
    scheduler.after(random.between(0, SWEEP_MS), next);
  }

  /** A message may be there now, or in a while: whoever runs the functions looks. */
  expect(queue: "ticks" | "shards", delaySeconds = 0): void {
    const afterMs = 1_000 * delaySeconds + BATCH_WINDOW_MS[queue];
    // One look a moment is enough.
    const moment = `${queue} ${Math.ceil((this.#around.scheduler.nowMs + afterMs) / 100)}`;
    if (this.#due.has(moment)) return;
    this.#due.add(moment);
    this.#around.scheduler.after(afterMs, () => {
      this.#due.delete(moment);
      void this.#take(queue);
    });
  }

  /** A request, as the API gateway passes it on. A function that died answers 502. */
  async request(url: string, init: RequestInit, spent = this.spent): Promise<Response> {
    const answered = await this.#work("api", (container) => container.fetch(url, init), spent);
    return answered ?? Response.json({ message: "Internal server error" }, { status: 502 });
  }

  /** Takes a batch and lets a function work on it; what it does not list as failed is deleted. */
  async #take(kind: "ticks" | "shards"): Promise<void> {
    const queue = this.#bucket[kind];
    if (this.#around.outage) {
      this.#around.scheduler.after(OUTAGE_POLL_MS, () => this.expect(kind));
      return;
    }
    if ((this.#working.get(kind) ?? 0) >= this.#limits.atWork[kind]) {
      this.expect(kind, 1);
      return;
    }
    const messages = await queue.receive({ max: 10, leaseSeconds: this.#limits.leaseSeconds });
    if (messages.length === 0) return;
    // Should the function die, they come back then.
    this.expect(kind, this.#limits.leaseSeconds + 1);
    const Records = messages.map(recordOf);
    const answer = await this.#work(kind, ({ environment }) =>
      handleBatch(environment, environment[kind], { Records }),
    );
    if (answer === undefined) return;
    const failed = new Set(answer.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
    for (const message of messages) if (!failed.has(message.id)) await queue.ack(message);
    this.expect(kind);
  }

  async #sweep(): Promise<void> {
    const ended = await this.#onSweep();
    let error: unknown;
    let container: Container | undefined;
    await this.#work("sweep", async (one) => {
      container = one;
      try {
        await sweep(one.environment);
      } catch (failure) {
        error = failure;
      }
    });
    await ended({ disturbed: container === undefined || container.disturbed || !container.alive, error });
  }

  /** Work in a warm function, or a new one. Undefined: it died, or ran out of time. */
  async #work<T>(
    kind: keyof Limits["atWork"],
    work: (container: Container) => Promise<T>,
    spent = this.spent,
  ): Promise<T | undefined> {
    const { scheduler } = this.#around;
    const idle = this.#idle.get(kind) ?? [];
    this.#idle.set(kind, idle);
    const container = idle.pop() ?? this.#make(kind);
    container.disturbed = false;
    container.spent = spent;
    this.#working.set(kind, (this.#working.get(kind) ?? 0) + 1);
    const startedMs = scheduler.nowMs;
    const died = new Promise<undefined>((resolve) => {
      container.onDeath = () => {
        this.#around.timeline.note(container.name, "died");
        resolve(undefined);
      };
    });
    const cancel = scheduler.after(this.#limits.limitMs, () => {
      container.disturbed = true;
      kill(container);
    });
    try {
      return await Promise.race([work(container), died]);
    } finally {
      cancel();
      spent.functionMs += scheduler.nowMs - startedMs;
      this.#working.set(kind, (this.#working.get(kind) ?? 1) - 1);
      if (container.alive) idle.push(container);
    }
  }

  #make(kind: keyof Limits["atWork"]): Container {
    const { scheduler, faults, timeline } = this.#around;
    const { store, ticks, shards, jobs } = this.#bucket;
    const skew = faults.strikes("clock-skew") ? faults.stream("clock-skew").between(-SKEW_MS, SKEW_MS) : 0;
    const now = () => scheduler.nowMs + skew;
    const process = {
      name: `${kind === "ticks" ? "decide" : kind}-${++this.#made}`,
      alive: true,
      crash: "function-crash",
      disturbed: false,
      spent: this.spent,
    } satisfies Client;
    const own = {
      store: storeOf(this.#around, store, process),
      ticks: queueOf(this.#around, ticks, process, (delay) => this.expect("ticks", delay)),
      shards: queueOf(this.#around, shards, process, (delay) => this.expect("shards", delay)),
      jobs: queueOf(this.#around, jobs, process, () => {}),
    };
    const log: Log = (level, message) => {
      timeline.note(process.name, `${level}: ${message}`);
      if (level === "error") this.#onError({ who: process.name, disturbed: process.disturbed, message });
    };
    const decides = kind !== "api";
    const cachedFacts = kind === "ticks" || kind === "sweep" ? { cachedFacts: MANY_FACTS } : {};
    const run = oncePerRun((id) => openRun(own.store, id, decides ? this.#secrets : undefined, cachedFacts));
    const environment: TriggerEnvironment = {
      ...own,
      nudger: createNudger(own, {
        resendSeconds: { shards: 20, jobs: 30 },
        sentElsewhere: kind === "sweep" ? ["jobs"] : [],
        now,
      }),
      log,
      run,
      ticking: new Map(),
      owing: new Set(),
      openRounds: new Map(),
    };
    const api = decides
      ? undefined
      : createApi({
          ...own,
          key: async () => apiKey,
          authority: AUTHORITY,
          now,
          pollAfterSeconds: POLL_AFTER_SECONDS,
          holdSeconds: 0,
          run,
          openRound: () => undefined,
          onChange: () => () => {},
          objects: { kind: "served", ticketSecret: new TextEncoder().encode(TICKET_SECRET) },
          log,
        });
    return Object.assign(process as Process & Client, {
      environment,
      fetch: async (url: string, init: RequestInit) => {
        if (api === undefined) throw new Error(`${process.name} takes no requests`);
        return api.request(url, init);
      },
    });
  }
}

function recordOf({ id, body, lease, receives }: Message): SQSRecord {
  return {
    messageId: id,
    body,
    receiptHandle: lease,
    attributes: {
      ApproximateReceiveCount: String(receives),
      SentTimestamp: "0",
      SenderId: "",
      ApproximateFirstReceiveTimestamp: "0",
    },
    messageAttributes: {},
    md5OfBody: "",
    eventSource: "aws:sqs",
    eventSourceARN: "",
    awsRegion: "",
  };
}
