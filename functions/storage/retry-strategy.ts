/**
 * How often and how long a request to a store or queue service is repeated: with full jitter, until a deadline.
 *
 * The SDK runs the loop and says what kind of failure came; its own strategy counts attempts, which says nothing about
 * time: three attempts are over in 200 ms, and a store that restarts takes a second. It also knows nothing of the 409s
 * of conditional writes, after which S3 asks to repeat the upload.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { S3ClientConfig } from "@aws-sdk/client-s3";
import { codeOf, RACES, statusOf } from "./service-errors.ts";

/** The SDK's own type, taken from where it is configured: its home is no direct dependency. */
type Strategy = Extract<NonNullable<S3ClientConfig["retryStrategy"]>, { refreshRetryTokenForRetry: unknown }>;
type Token = Awaited<ReturnType<Strategy["acquireInitialRetryToken"]>>;
type Failure = Parameters<Strategy["refreshRetryTokenForRetry"]>[1];

/** Upper ends of the first wait; each further wait may be twice as long, up to the cap. */
const WAITS_MS = {
  /** The service is there and says 503 or 429: wait for it to recover. */
  throttled: { first: 500, cap: 5000 },
  /** A broken connection, a 5xx, a lost race: a stale socket of the pool is the usual cause, so try again soon. */
  transient: { first: 50, cap: 2000 },
} as const;

/**
 * Not there, condition not met, range not there: answers, whatever the SDK calls them. Where a machine's clock is minutes
 * off, each answer corrects it a little, and after a correction the SDK would repeat any refusal.
 */
const ANSWERS: readonly number[] = [404, 412, 416];

export interface RetryOptions {
  /** No retry begins later than this after the first attempt. */
  retrySeconds: number;
  /** Milliseconds since 1970 (the system's clock). */
  now?: () => number;
  /** Must go with `now`. */
  sleep?: (ms: number) => Promise<unknown>;
  /** From 0 to 1, 1 excluded (Math.random). */
  random?: () => number;
}

/** A strategy for the `retryStrategy` of an SDK client. */
export function createRetryStrategy(options: RetryOptions): Strategy {
  const { retrySeconds, now = Date.now, random = Math.random } = options;
  const pause = options.sleep ?? sleep;
  const startedAtMs = new WeakMap<Token, number>();
  const issue = (retries: number, startMs: number): Token => {
    const token: Token = { getRetryCount: () => retries, getRetryDelay: () => 0 };
    startedAtMs.set(token, startMs);
    return token;
  };

  return {
    acquireInitialRetryToken: async () => issue(0, now()),

    async refreshRetryTokenForRetry(token, failure) {
      const startMs = startedAtMs.get(token) ?? now();
      const retries = token.getRetryCount();
      const wait = waitOf(failure);
      // Whatever is thrown here ends the loop; the caller gets the service's own error.
      if (wait === null) throw new Error("repeating this request cannot help");
      const jittered = random() * Math.min(wait.cap, wait.first * 2 ** retries);
      const asked = (failure.retryAfterHint?.getTime() ?? 0) - now();
      // Not longer than our own cap: a MinIO that starts asks for a minute with every 503, and is ready in one second.
      const waitMs = Math.max(jittered, Math.min(asked, wait.cap));
      if (now() + waitMs > startMs + retrySeconds * 1000)
        throw new Error("the deadline for retries has passed");
      await pause(waitMs);
      return issue(retries + 1, startMs);
    },

    recordSuccess() {},
  };
}

/** How long to wait before the first retry; null: the same request would fail again. */
function waitOf({ error, errorType }: Failure): { first: number; cap: number } | null {
  if (ANSWERS.includes(statusOf(error))) return null;
  if (errorType === "THROTTLING") return WAITS_MS.throttled;
  if (errorType === "TRANSIENT" || RACES.includes(codeOf(error))) return WAITS_MS.transient;
  return null;
}
