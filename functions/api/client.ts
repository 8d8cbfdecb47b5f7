/**
 * The typed client that peers and evaluators alike use: requests signed, answers checked, transient failures retried.
 *
 * @module
 */
import type { z } from "zod";
import {
  type AggregateSet,
  commitAnswer,
  isOuterloopError,
  MAX_OBJECT_BYTES,
  OuterloopError,
  type Position,
  position,
  positionTag,
  readTickets,
  runList,
  runStatus,
  type SigningKey,
  stored,
  type ticket as ticketSchema,
  uploadTickets,
} from "../../schemas/index.ts";
import { errorFrom } from "../storage/http-errors.ts";
import { createHttpQueue } from "../storage/http-queue.ts";
import { toUrlPath } from "../storage/object-keys.ts";
import type { Message, Queue } from "../storage/queue.ts";
import { type Host, systemHost } from "./host.ts";
import { signRequest } from "./request-signatures.ts";
import { storeRefusal } from "./store-answers.ts";

type Ticket = z.infer<typeof ticketSchema>;

export interface ApiClientOptions {
  /** The coordinator: `http://127.0.0.1:4650`, without a slash at the end. */
  coordinator: string;
  /** Signs every request that writes; a reader needs none. */
  key?: SigningKey;
  /** Ends waiting and retrying. */
  signal?: AbortSignal;
  /** How long an unreachable coordinator is tried again. */
  patienceSeconds?: number;
  /**
   * How long a question may stay without an answer (30 s; a coordinator holds one back for 20 s at most). Longer, and it
   * went into a connection whose other end nobody holds any more: that would go unnoticed for minutes.
   */
  answerSeconds?: number;
  /** The machine this runs on (the system's). */
  host?: Host;
}

/** Jobs come through the same port as any queue. */
export { keepLease } from "../storage/heartbeat.ts";
export type { Timer } from "../storage/waiting.ts";
export { type Host, systemHost } from "./host.ts";
export type { Message, Queue };
export type ApiClient = ReturnType<typeof createApiClient>;

const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 1_000;
/** How store and API say that an object is not there. A 404 of somebody in between says nothing about it. */
const ABSENT = /<Code>NoSuchKey<|"no-such-object"/;
/** What a store or a coordinator has to say if it does not give what was asked for. */
const LONGEST_REFUSAL = 64 * 1024;
const JSON_TYPE = { "content-type": "application/json" };

/**
 * Typed errors: those that the API answers, by their `code`; `service-unreachable` once patience is over;
 * `unexpected-answer` for an answer that fits no schema.
 */
export function createApiClient(options: ApiClientOptions) {
  const { coordinator, key, signal, patienceSeconds = 120, answerSeconds = 30, host = systemHost } = options;

  /** Every call is safe to repeat, so every call is repeated while nobody answers. */
  async function patiently<T>(attempt: () => Promise<T>): Promise<T> {
    const giveUpAt = host.now() + 1_000 * patienceSeconds;
    for (let delay = FIRST_RETRY_MS; ; delay = Math.min(2 * delay, LONGEST_RETRY_MS)) {
      try {
        return await attempt();
      } catch (error) {
        if (!isTransient(error) || host.now() > giveUpAt || signal?.aborted === true) throw error;
        // Full jitter: peers that lost their coordinator together must not come back together.
        await host.sleep(delay * (0.5 + host.random() / 2), signal);
      }
    }
  }

  /**
   * The whole answer: one that breaks off in its body is as good as none. `limit` ends waiting for it: of questions, not of
   * payloads, which take as long as they take.
   */
  async function fetchOnce(
    url: string,
    init: RequestInit,
    { limit, maxBytes = MAX_OBJECT_BYTES }: { limit?: AbortSignal; maxBytes?: number } = {},
  ): Promise<Response> {
    const signals = [signal, limit].filter((one) => one !== undefined);
    try {
      const response = await host.fetch(url, { ...init, signal: AbortSignal.any(signals) });
      const body = response.body === null ? null : await bodyOf(response.body, url, maxBytes);
      return new Response(body, { status: response.status, headers: response.headers });
    } catch (error) {
      if (signal?.aborted === true || isOuterloopError(error, "object-too-large")) throw error;
      throw new OuterloopError(
        "service-unreachable",
        `no answer from ${new URL(url).origin}: is the coordinator up?`,
        { url },
        error,
      );
    }
  }

  const inTime = () => ({ limit: AbortSignal.timeout(1_000 * answerSeconds) });

  async function send(path: string, body: Uint8Array): Promise<Response> {
    if (key === undefined)
      throw new OuterloopError("unsigned-request", "this client has no key to sign a request with");
    const url = `${coordinator}${path}`;
    const request = { method: "POST", url, headers: JSON_TYPE, body };
    const headers = await signRequest(request, key, host.now());
    return fetchOnce(url, { method: "POST", headers, body: new Uint8Array(body) }, inTime());
  }

  async function parse<T>(response: Response, schema: z.ZodType<T>): Promise<T> {
    if (!response.ok) throw await refusal(response);
    const parsed = schema.safeParse(await response.json());
    if (parsed.success) return parsed.data;
    throw new OuterloopError(
      "unexpected-answer",
      `an answer does not fit its schema: ${parsed.error.message}`,
    );
  }

  const post = <T>(path: string, body: Uint8Array, schema: z.ZodType<T>) =>
    patiently(async () => parse(await send(path, body), schema));
  const read = <T>(path: string, schema: z.ZodType<T>) =>
    patiently(async () => parse(await fetchOnce(`${coordinator}${path}`, {}, inTime()), schema));
  /** An object's bytes; the coordinator may send its readers on to the store, once. */
  const bytesOf = async (
    url: string,
    maxBytes: number | undefined,
    headers: Record<string, string> = {},
  ): Promise<Uint8Array | null> => {
    // A refusal in words may be longer than a small object.
    const bound = { maxBytes: Math.max(maxBytes ?? MAX_OBJECT_BYTES, LONGEST_REFUSAL) };
    let response = await fetchOnce(url, { headers, redirect: "manual" }, bound);
    const location = response.status === 307 ? response.headers.get("location") : null;
    if (location !== null) {
      checkDestination(location, coordinator);
      response = await fetchOnce(location, { redirect: "error" }, bound);
    }
    if (response.status === 404 && ABSENT.test(await response.clone().text())) return null;
    if (!response.ok) throw await storeRefusal(response);
    return new Uint8Array(await response.arrayBuffer());
  };
  const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

  return {
    coordinator,
    host,
    runs: () => read("/runs", runList),
    status: (run: string) => read(`/runs/${run}`, runStatus),
    /** With `seen`, the coordinator may hold its answer until the position is another one. */
    position: (run: string, seen?: Position) =>
      read(`/runs/${run}/position${seen === undefined ? "" : `?seen=${positionTag(seen)}`}`, position),

    /**
     * A public object, of `maxBytes` at most (as signed ones are, if not given); null: not there (yet). Verify it: the answer is only
     * bytes. Typed error `object-too-large`.
     */
    object: (objectKey: string, maxBytes?: number) =>
      patiently(() => bytesOf(`${coordinator}/objects/${toUrlPath(objectKey)}`, maxBytes)),

    /** These send a signed object as its canonical bytes. */
    register: (run: string, bytes: Uint8Array) => post(`/runs/${run}/peers`, bytes, stored),
    announce: (run: string, round: number, bytes: Uint8Array) =>
      post(`/runs/${run}/rounds/${round}/intents`, bytes, stored),
    commit: (run: string, round: number, bytes: Uint8Array) =>
      post(`/runs/${run}/rounds/${round}/commits`, bytes, commitAnswer),
    report: (run: string, round: number, job: string, bytes: Uint8Array) =>
      post(`/runs/${run}/rounds/${round}/reports/${job}`, bytes, stored),
    guard: (run: string, round: number, set: AggregateSet, bytes: Uint8Array) =>
      post(`/runs/${run}/rounds/${round}/guards/${set}`, bytes, stored),
    heldOut: (run: string, round: number, bytes: Uint8Array) =>
      post(`/runs/${run}/rounds/${round}/held-out`, bytes, stored),

    uploadTickets: (run: string, round: number) =>
      post(`/runs/${run}/rounds/${round}/tickets`, json({}), uploadTickets),
    readTickets: (run: string, objectKeys: string[]) =>
      post(`/runs/${run}/read-tickets`, json({ keys: objectKeys }), readTickets),

    /** Uploads by a ticket. One's own bytes standing there already is success: the pin fixed them. */
    upload: (ticket: Ticket, bytes: Uint8Array) =>
      patiently(async () => {
        checkDestination(ticket.url, coordinator);
        const { "content-length": _, ...headers } = ticket.headers;
        const response = await fetchOnce(ticket.url, { method: "PUT", headers, body: new Uint8Array(bytes) });
        if (!response.ok && response.status !== 412) throw await storeRefusal(response);
      }),
    /** A commit, or a shard of somebody's upload, which has the `maxBytes` that were committed. */
    download: (ticket: Ticket, maxBytes?: number) => {
      checkDestination(ticket.url, coordinator);
      return patiently(() => bytesOf(ticket.url, maxBytes, ticket.headers));
    },

    /** Jobs of a run, leased over HTTPS. */
    jobs: (run: string): Queue =>
      createHttpQueue({
        baseUrl: `${coordinator}/runs/${run}/jobs`,
        fetch: (url, init) =>
          patiently(async () => {
            const response = await send(url.slice(coordinator.length), new TextEncoder().encode(init.body));
            if (response.status >= 500 || response.status === 429) throw await refusal(response);
            return response;
          }),
      }),
  };
}

/** A body as far as it is as long as it may be: whoever sends more, or without end, fills no memory (`object-too-large`). */
async function bodyOf(body: ReadableStream<Uint8Array>, url: string, maxBytes: number) {
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const part of body) {
    sizeBytes += part.length;
    if (sizeBytes > maxBytes)
      throw new OuterloopError("object-too-large", `${url} sent more than the ${maxBytes} bytes it may have`);
    parts.push(part);
  }
  return Buffer.concat(parts, sizeBytes);
}

/** A refusal by its code. 429 and 5xx refuse nothing: too many ask at once, or the coordinator waits for its services. */
async function refusal(response: Response): Promise<OuterloopError> {
  const error = await errorFrom(response);
  if (response.status < 500 && response.status !== 429) return error;
  return new OuterloopError("service-unreachable", error.message, { code: error.code }, error);
}

/** True for what another try may not meet again: nobody answered, or not with what was asked for. */
export function isTransient(error: unknown): boolean {
  return (
    isOuterloopError(error, "service-unreachable") ||
    isOuterloopError(error, "store-busy") ||
    isOuterloopError(error, "unexpected-answer")
  );
}

/**
 * A ticket or redirect leads to a store over HTTPS, or to the coordinator's own host (where a coordinator without HTTPS
 * may have its store on another port), never elsewhere into the peer's own network.
 */
function checkDestination(url: string, coordinator: string): void {
  const { origin, protocol, hostname } = new URL(url);
  const own = new URL(coordinator);
  if (protocol === "https:" || (own.protocol === "http:" && hostname === own.hostname)) return;
  throw new OuterloopError(
    "wrong-ticket",
    `a ticket must lead to ${own.hostname} or to an https address, not to ${origin}`,
  );
}
