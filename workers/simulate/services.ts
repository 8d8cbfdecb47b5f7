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
import type { Random } from "./random.ts";
import { kill, type Process, type Scheduler } from "./scheduler.ts";
import type { Timeline } from "./timeline.ts";

/** What a request costs in virtual time, one way; milliseconds. */
const TRAVEL_MS = { shortest: 2, longest: 20 };
/** A slow answer. */
const SLOW_MS = { shortest: 500, longest: 8_000 };
/** How long a client waits for a service that does not answer. */
const UNREACHABLE_AFTER_MS = 2_000;
/** How much the clocks of the store's own machines differ; the margin of deadlines is for this. */
const STORE_CLOCKS_MS = 900;

export interface Surroundings {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly faults: Faults;
  readonly timeline: Timeline;
  /** True while store and queues answer nobody. */
  outage: boolean;
}

/** A process that talks to services. */
export interface Client extends Process {
  /** The fault that may kill it on the way to a service. */
  readonly crash: FaultKind;
  /** Something was done to it on purpose: whoever proves a bound must not count on what it did. */
  disturbed: boolean;
  /** Where its requests are counted. */
  spent: Spending;
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
export async function travel({ scheduler, random, faults }: Surroundings, client: Client): Promise<void> {
  if (faults.strikes(client.crash)) {
    client.disturbed = true;
    kill(client);
  }
  await scheduler.wait(client, random.between(TRAVEL_MS.shortest, TRAVEL_MS.longest));
}

/** What befalls an operation: `done` once, never, twice, or once without an answer. */
async function perform<T>(
  around: Surroundings,
  client: Client,
  service: "store" | "queue",
  name: string,
  operation: () => Promise<T>,
): Promise<T> {
  const { scheduler, faults, timeline } = around;
  const strikes = (kind: FaultKind) => {
    const struck = faults.strikes(kind);
    client.disturbed ||= struck;
    return struck;
  };
  client.spent.request(name);
  await travel(around, client);
  if (around.outage || strikes(`${service}-busy`)) {
    client.disturbed = true;
    timeline.note(client.name, `${name}: no answer`);
    await scheduler.wait(client, UNREACHABLE_AFTER_MS);
    throw new OuterloopError(`${service}-unreachable`, `the ${service} did not answer ${name}`);
  }
  let result = await operation();
  if (service === "store" && strikes("store-retried")) result = await operation();
  if (service === "store" && strikes("store-slow")) {
    await scheduler.wait(client, faults.stream("store-slow").between(SLOW_MS.shortest, SLOW_MS.longest));
  }
  if (strikes(`${service}-answer-lost`)) {
    timeline.note(client.name, `${name}: done, but its answer was lost`);
    await scheduler.wait(client, UNREACHABLE_AFTER_MS);
    throw new OuterloopError(`${service}-unreachable`, `the answer to ${name} was lost`);
  }
  await travel(around, client);
  return result;
}

/** The store as a process sees it. `raw` does what it is asked at once. */
export function storeOf(around: Surroundings, raw: ObjectStore, client: Client): ObjectStore {
  const { random, timeline } = around;
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
    stream: seen("GET", raw.stream),
    putIfAbsent: seen("PUT", async (key, bytes) => {
      const put = await raw.putIfAbsent(key, bytes);
      client.spent.bytes += bytes.length;
      timeline.note(client.name, put.outcome === "created" ? `wrote ${key}` : `found ${key}`);
      return put;
    }),
    compareAndSwap: seen("PUT", raw.compareAndSwap),
    list: seen("LIST", raw.list),
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
  const { faults } = around;
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
    receive: seen("ReceiveMessage", raw.receive),
    extend: seen("ChangeMessageVisibility", async (message, leaseSeconds) => {
      await raw.extend(message, leaseSeconds);
      sent(leaseSeconds);
    }),
    ack: seen("DeleteMessage", raw.ack),
    bury: seen("SendMessage", raw.bury),
    deadLetters: raw.deadLetters,
  };
}
