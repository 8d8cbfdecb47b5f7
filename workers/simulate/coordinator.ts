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
import type { Message, Queue } from "../../functions/storage/queue.ts";
import type { Log, TriggerEnvironment } from "../../functions/triggers/environment.ts";
import { handleBatch } from "../../functions/triggers/lambda/batch.ts";
import { sweep } from "../../functions/triggers/sweep.ts";
import { isOuterloopError } from "../../schemas/index.ts";
import type { Bucket } from "./bucket.ts";
import { Random } from "./random.ts";
import { AUTHORITY, apiKey, TICKET_SECRET } from "./run.ts";
import { kill } from "./scheduler.ts";
import { type Client, clientNamed, queueOf, Spending, type Surroundings, storeOf } from "./services.ts";

export const SWEEP_MS = 60_000;
/** What a function may take before it is ended, how long its batch is then hidden, and how many consume a queue at once. */
export interface Limits {
  limitMs: number;
  leaseSeconds: number;
  consumers: Record<Consumed, number>;
}
const LIMITS: Limits = { limitMs: 60_000, leaseSeconds: 90, consumers: { ticks: 2, shards: 4 } };
/** How soon work is asked for again: as on Lambda. */
const RESEND_SECONDS = { shards: 100, jobs: 180 };
/** Ticks are consumed in batches. */
const BATCH_WINDOW_MS = { ticks: 1_000, shards: 0 };
/** How soon a queue that did not answer is asked again by who runs the functions. */
const ASK_AGAIN_SECONDS = 5;
const SKEW_MS = 4_000;
/** How soon peers are told to ask again: each question is verified, and that is what simulating costs most. */
const POLL_AFTER_SECONDS = 12;

type Consumed = "ticks" | "shards";
type FunctionKind = Consumed | "sweep" | "api";

/** A warm function and its memory. */
export interface Container extends Client {
  readonly environment: TriggerEnvironment;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
}

/** How a sweep went. Sound: it got all its answers and lived to its end. */
export interface Swept {
  sound: boolean;
  error: unknown;
}

/** An error that a function reported. */
export interface FunctionError {
  who: string;
  /** It got no answer, or died. */
  disturbed: boolean;
  error: unknown;
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
  readonly #consuming: Record<Consumed, number> = { ticks: 0, shards: 0 };
  readonly #due = new Set<string>();
  /** What functions asked of store and queues, and how long they worked; requests may be counted apart. */
  readonly spent = new Spending();
  readonly #made = new Map<FunctionKind, number>();
  /** The queues as who runs the functions sees them. */
  readonly #polled: Record<Consumed, Queue>;

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
    const polled = (kind: Consumed) => {
      const poller = clientNamed(around, `poller of ${kind}`, null, { spent: this.spent });
      return queueOf(around, bucket[kind], poller, (delay) => this.expect(kind, delay));
    };
    this.#polled = { ticks: polled("ticks"), shards: polled("shards") };
  }

  /** Begins the schedule of the sweep. */
  start(): void {
    const { scheduler, seed } = this.#around;
    const next = () => {
      this.#begin("sweep", this.#sweep());
      scheduler.after(SWEEP_MS, next);
    };
    scheduler.after(new Random(seed, "schedule").between(0, SWEEP_MS), next);
  }

  /** The store tells of an upload. */
  notify(key: string, delaySeconds = 0): void {
    void this.#bucket.shards.send(JSON.stringify({ type: "created", key }), { delaySeconds });
    this.expect("shards", delaySeconds);
  }

  /** Whatever fails here is none of a function's own faults. */
  #begin(who: string, work: Promise<void>): void {
    work.catch((error: unknown) => this.#onError({ who, disturbed: false, error }));
  }

  /** A message may be there now, or in a while: whoever runs the functions looks. */
  expect(queue: Consumed, delaySeconds = 0): void {
    const afterMs = 1_000 * delaySeconds + BATCH_WINDOW_MS[queue];
    // One look a moment is enough.
    const moment = `${queue} ${Math.ceil((this.#around.scheduler.nowMs + afterMs) / 100)}`;
    if (this.#due.has(moment)) return;
    this.#due.add(moment);
    this.#around.scheduler.after(afterMs, () => {
      this.#due.delete(moment);
      this.#begin(queue, this.#take(queue));
    });
  }

  /** A request, as the API gateway passes it on. A function that died answers 502. */
  async request(url: string, init: RequestInit, spent = this.spent): Promise<Response> {
    const answered = await this.#work("api", (container) => container.fetch(url, init), spent);
    return answered ?? Response.json({ message: "Internal server error" }, { status: 502 });
  }

  /** Takes a batch and lets a function work on it; what it does not list as failed is deleted. */
  async #take(kind: Consumed): Promise<void> {
    if (this.#consuming[kind] >= this.#limits.consumers[kind]) return this.expect(kind, 1);
    this.#consuming[kind] += 1;
    try {
      await this.#consume(kind);
    } catch (error) {
      if (!isOuterloopError(error, "queue-unreachable")) throw error;
      this.expect(kind, ASK_AGAIN_SECONDS);
      // What it may have handed out comes back then.
      this.expect(kind, this.#limits.leaseSeconds + 1);
    } finally {
      this.#consuming[kind] -= 1;
    }
  }

  async #consume(kind: Consumed): Promise<void> {
    const { leaseSeconds } = this.#limits;
    const queue = this.#polled[kind];
    const messages = await queue.receive({ max: 10, leaseSeconds });
    if (messages.length === 0) return;
    // Should the function die, they come back then.
    this.expect(kind, leaseSeconds + 1);
    const Records = messages.map(recordOf);
    const answer = await this.#work(kind, ({ environment }) =>
      handleBatch(environment, environment[kind], { Records }),
    );
    if (answer === undefined) return;
    const failed = new Set(answer.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
    const done = messages.filter(({ id }) => !failed.has(id));
    // Whoever of them cannot be deleted comes again.
    await Promise.allSettled(done.map((message) => queue.ack(message)));
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
    await ended({ sound: container?.disturbed === false && container.alive, error });
  }

  /** Work in a warm function, or a new one. Undefined: it died, or ran out of time. */
  async #work<T>(
    kind: FunctionKind,
    work: (container: Container) => Promise<T>,
    spent = this.spent,
  ): Promise<T | undefined> {
    const { scheduler } = this.#around;
    const idle = this.#idle.get(kind) ?? [];
    this.#idle.set(kind, idle);
    let warm = idle.pop();
    // What it left under way when it answered may have killed it since.
    while (warm?.alive === false) warm = idle.pop();
    const container = warm ?? this.#make(kind);
    Object.assign(container, { disturbed: false, slowed: false, underWay: { requests: 0 }, spent });
    const startedMs = scheduler.nowMs;
    const died = new Promise<undefined>((resolve) => {
      container.onDeath = () => {
        this.#around.timeline.note(container.name, "died");
        resolve(undefined);
      };
    });
    const cancel = scheduler.after(this.#limits.limitMs, () => {
      if (!container.disturbed && !container.slowed) this.#failed(container, new Error("it ran out of time"));
      kill(container);
    });
    try {
      return await Promise.race([work(container), died]);
    } finally {
      cancel();
      spent.functionMs += scheduler.nowMs - startedMs;
      if (container.alive) scheduler.after(0, () => this.#freeze(container, idle), container.random);
    }
  }

  /** Lambda freezes a function that has answered: what it still waits for may never come. */
  #freeze(container: Container, idle: Container[]): void {
    const { requests } = container.underWay;
    // Whoever ends with an error leaves what it asked for at the same time.
    if (!container.disturbed && requests > 0)
      this.#failed(container, new Error(`it answered with ${requests} requests under way`));
    idle.push(container);
  }

  #failed({ name, disturbed }: Client, error: unknown): void {
    this.#onError({ who: name, disturbed, error });
  }

  #make(kind: FunctionKind): Container {
    const { scheduler, faults, timeline } = this.#around;
    const { store, ticks, shards, jobs } = this.#bucket;
    const skew = faults.strikes("clock-skew") ? faults.stream("clock-skew").between(-SKEW_MS, SKEW_MS) : 0;
    const now = () => scheduler.nowMs + skew;
    const made = (this.#made.get(kind) ?? 0) + 1;
    this.#made.set(kind, made);
    const name = `${kind === "ticks" ? "decide" : kind}-${made}`;
    const process = clientNamed(this.#around, name, "function-crash", { spent: this.spent });
    const own = {
      store: storeOf(this.#around, store, process),
      ticks: queueOf(this.#around, ticks, process, (delay) => this.expect("ticks", delay)),
      shards: queueOf(this.#around, shards, process, (delay) => this.expect("shards", delay)),
      jobs: queueOf(this.#around, jobs, process, () => {}),
    };
    const log: Log = (level, message, fields) => {
      timeline.note(name, `${level}: ${message}`);
      if (level !== "info") this.#failed(process, fields?.error ?? new Error(message));
    };
    const decides = kind !== "api";
    const cachedFacts = kind === "ticks" || kind === "sweep" ? { cachedFacts: MANY_FACTS } : {};
    const run = oncePerRun((id) => openRun(own.store, id, decides ? this.#secrets : undefined, cachedFacts));
    const environment: TriggerEnvironment = {
      ...own,
      nudger: createNudger(own, {
        resendSeconds: RESEND_SECONDS,
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
    return Object.assign(process, {
      environment,
      fetch: async (url: string, init: RequestInit) => {
        if (api === undefined) throw new Error(`${name} takes no requests`);
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
