/**
 * Store and queues as one process sees them: every operation takes its time on the way there and back, and may be
 * refused, lost, or done twice. Where it is lost the process may die, too.
 *
 * @module
 */

import type { ObjectStore } from "../../functions/storage/object-store.ts";
import type { Queue } from "../../functions/storage/queue.ts";
import { OuterloopError } from "../../schemas/index.ts";
import type { FaultKind, Faults } from "./faults.ts";
import { Random } from "./random.ts";
import { kill, type Process, type Scheduler } from "./scheduler.ts";
import type { Timeline } from "./timeline.ts";

/** What a request costs in virtual time, one way; milliseconds. */
const TRAVEL_MS = { shortest: 2, longest: 20 };
/** A slow answer. */
const SLOW_MS = { shortest: 500, longest: 8_000 };
/** How long a client waits for a service that does not answer. */
const UNREACHABLE_AFTER_MS = 2_000;
const MOST_IN_SMALL_PAGE = 3;
/** How much the clocks of the store's own machines differ; the margin of deadlines is for this. */
export const STORE_CLOCKS_MS = 900;

export interface Surroundings {
  readonly seed: number;
  readonly scheduler: Scheduler;
  readonly faults: Faults;
  readonly timeline: Timeline;
  /** Services that answer nobody now. */
  away: readonly Service[];
}

export const services = ["store", "queue"] as const;
export type Service = (typeof services)[number];

/** A process that talks to services. */
export interface Client extends Process {
  /** The fault that may kill it on the way to a service; null: none. */
  readonly crash: FaultKind | null;
  /** It got no answer, or died: whoever proves a bound must not count on what it did. */
  disturbed: boolean;
  /** An answer took so long that it may run out of time. */
  slowed: boolean;
  /** How many requests of the work that it does now are under way. */
  underWay: { requests: number };
  /** Where its requests are counted. */
  spent: Spending;
}

/** A process that has just begun. `random`: where it draws on, if it has lived before. */
export function clientNamed(
  { seed }: Surroundings,
  name: string,
  crash: FaultKind | null,
  { spent = new Spending(), random = new Random(seed, name) } = {},
): Client {
  return {
    name,
    random,
    alive: true,
    crash,
    disturbed: false,
    slowed: false,
    underWay: { requests: 0 },
    spent,
  };
}

/** What was asked of store and queues: requests by name, bytes of objects, and how long functions worked. */
export class Spending {
  readonly requests = new Map<string, number>();
  bytes = 0;
  functionMs = 0;

  request(name: string): void {
    this.requests.set(name, (this.requests.get(name) ?? 0) + 1);
  }

  /** Requests to the store alone. */
  get storeOperations(): number {
    return STORE_REQUESTS.reduce((sum, name) => sum + (this.requests.get(name) ?? 0), 0);
  }
}

const STORE_REQUESTS = ["HEAD", "GET", "PUT", "LIST", "DELETE"];

/** The way to a service, or back: it takes a while, and the process may die on it. */
export async function travel({ scheduler, faults }: Surroundings, client: Client): Promise<void> {
  if (client.crash !== null && faults.strikes(client.crash)) {
    client.disturbed = true;
    kill(client);
  }
  await scheduler.wait(client, client.random.between(TRAVEL_MS.shortest, TRAVEL_MS.longest));
}

/** What befalls an operation: `done` once, never, twice, or once without an answer. */
async function perform<T>(
  around: Surroundings,
  client: Client,
  service: Service,
  name: string,
  operation: () => Promise<T>,
): Promise<T> {
  const { scheduler, faults, timeline } = around;
  const unreachable = async (what: string): Promise<never> => {
    client.disturbed = true;
    timeline.note(client.name, `${name}: ${what}`);
    await scheduler.wait(client, UNREACHABLE_AFTER_MS);
    throw new OuterloopError(`${service}-unreachable`, `${name} of the ${service}: ${what}`);
  };
  const { spent, underWay } = client;
  spent.request(name);
  underWay.requests += 1;
  try {
    await travel(around, client);
    if (around.away.includes(service) || faults.strikes(`${service}-busy`)) await unreachable("no answer");
    let result = await operation();
    if (service === "store" && faults.strikes("store-retried")) result = await operation();
    if (service === "store" && faults.strikes("store-slow")) {
      client.slowed = true;
      await scheduler.wait(client, faults.stream("store-slow").between(SLOW_MS.shortest, SLOW_MS.longest));
    }
    if (faults.strikes(`${service}-answer-lost`)) await unreachable("done, but its answer was lost");
    await travel(around, client);
    return result;
  } finally {
    underWay.requests -= 1;
  }
}

/** The store as a process sees it. `raw` does what it is asked at once. */
export function storeOf(around: Surroundings, raw: ObjectStore, client: Client): ObjectStore {
  const { faults, timeline } = around;
  const { random } = client;
  const seen =
    <Args extends unknown[], Result>(name: string, operation: (...args: Args) => Promise<Result>) =>
    (...args: Args): Promise<Result> =>
      perform(around, client, "store", name, () => operation(...args));
  return {
    now: seen("HEAD", async () => (await raw.now()) + random.between(-STORE_CLOCKS_MS, STORE_CLOCKS_MS)),
    head: seen("HEAD", raw.head),
    get: seen("GET", async (key, options) => {
      const object = await raw.get(key, options);
      client.spent.bytes += object?.bytes.length ?? 0;
      return object;
    }),
    range: seen("GET", async (key, start, end) => {
      client.spent.bytes += end - start;
      return raw.range(key, start, end);
    }),
    stream: seen("GET", async (key, options) => {
      const streamed = await raw.stream(key, options);
      const { start = 0, end = streamed?.info.sizeBytes ?? 0 } = options ?? {};
      client.spent.bytes += end - start;
      return streamed;
    }),
    putIfAbsent: seen("PUT", async (key, bytes) => {
      const put = await raw.putIfAbsent(key, bytes);
      client.spent.bytes += bytes.length;
      timeline.note(client.name, put.outcome === "created" ? `wrote ${key}` : `found ${key}`);
      return put;
    }),
    compareAndSwap: seen("PUT", raw.compareAndSwap),
    list: seen("LIST", (prefix, options) => {
      if (!faults.strikes("small-pages")) return raw.list(prefix, options);
      const few = faults.stream("small-pages").between(1, MOST_IN_SMALL_PAGE);
      return raw.list(prefix, { ...options, limit: Math.min(options?.limit ?? few, few) });
    }),
    delete: seen("DELETE", raw.delete),
    // Signed by the process itself: no request.
    presignPut: raw.presignPut,
    presignGet: raw.presignGet,
  };
}

/** A queue as a process sees it. `sent` hears of every message, with its delay, once it is there. */
export function queueOf(
  around: Surroundings,
  raw: Queue,
  client: Client,
  sent: (delaySeconds: number) => void,
): Queue {
  const { scheduler, faults } = around;
  const seen =
    <Args extends unknown[], Result>(name: string, operation: (...args: Args) => Promise<Result>) =>
    (...args: Args): Promise<Result> =>
      perform(around, client, "queue", name, () => operation(...args));
  const send = async (body: string, delaySeconds: number) => {
    const late = faults.strikes("message-delayed") ? faults.stream("message-delayed").between(1, 90) : 0;
    const delay = Math.min(900, delaySeconds + late);
    await raw.send(body, { delaySeconds: delay });
    sent(delay);
  };
  return {
    send: seen("SendMessage", async (body, { delaySeconds = 0 } = {}) => {
      await send(body, delaySeconds);
      if (faults.strikes("message-doubled")) await send(body, delaySeconds);
    }),
    receive: seen("ReceiveMessage", async (options) => {
      const messages = await raw.receive(options);
      for (const message of messages) {
        if (!faults.strikes("lease-ends")) continue;
        const seconds = faults.stream("lease-ends").between(0, options.leaseSeconds);
        // Not if it has been dealt with by then.
        const end = () =>
          raw.extend(message, 0).then(
            () => sent(0),
            () => {},
          );
        scheduler.after(1_000 * seconds, () => void end());
      }
      return messages;
    }),
    extend: seen("ChangeMessageVisibility", async (message, leaseSeconds) => {
      await raw.extend(message, leaseSeconds);
      sent(leaseSeconds);
    }),
    ack: seen("DeleteMessage", raw.ack),
    bury: seen("SendMessage", raw.bury),
    deadLetters: raw.deadLetters,
  };
}
