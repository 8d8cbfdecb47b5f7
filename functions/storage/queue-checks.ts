/**
 * SQS's limits, checked by every adapter before it acts: what passes locally passes in the cloud.
 *
 * @module
 */
import { OuterloopError } from "../../schemas/errors.ts";
import type { Queue, QueueOptions } from "./queue.ts";

/** The port's limit (SQS itself takes 1 MiB since 2025; other services that speak its protocol do not). */
export const MAX_BODY_BYTES = 256 * 1024;
/** SQS's visibility timeout: 12 hours. */
const MAX_LEASE_SECONDS = 43_200;
const MAX_DELAY_SECONDS = 900;
const MAX_WAIT_SECONDS = 20;
const MAX_RECEIVED = 10;
const MAX_REASON_CHARACTERS = 1000;

/** Milliseconds to delay. Throws `message-too-large`, `invalid-option`. */
export function checkSend(body: string, options: { delaySeconds?: number } = {}): number {
  const sizeBytes = Buffer.byteLength(body);
  if (sizeBytes > MAX_BODY_BYTES) {
    const message = `expected a message of at most ${MAX_BODY_BYTES} bytes, got ${sizeBytes}: store an object and send its key`;
    throw new OuterloopError("message-too-large", message, { sizeBytes, maxBytes: MAX_BODY_BYTES });
  }
  return 1000 * within("delaySeconds", options.delaySeconds ?? 0, 0, MAX_DELAY_SECONDS);
}

/** The options of a receive with their defaults, in milliseconds. Throws `invalid-option`. */
export function checkReceive(options: Parameters<Queue["receive"]>[0]) {
  const { max = 1, leaseSeconds, waitSeconds = 0 } = options;
  if (!Number.isInteger(max)) within("max", Number.NaN, 1, MAX_RECEIVED);
  return {
    max: within("max", max, 1, MAX_RECEIVED),
    leaseMs: checkLease(leaseSeconds),
    waitMs: 1000 * within("waitSeconds", waitSeconds, 0, MAX_WAIT_SECONDS),
  };
}

/** A lease in milliseconds. Throws `invalid-option`. */
export function checkLease(leaseSeconds: number): number {
  return 1000 * within("leaseSeconds", leaseSeconds, 0, MAX_LEASE_SECONDS);
}

/** A reason as every queue can carry it: one line of text that XML can hold. Throws `invalid-option` for an empty one. */
export function checkReason(reason: string): string {
  const line = reason
    .slice(0, MAX_REASON_CHARACTERS)
    .toWellFormed()
    .replace(/[\p{Cc}\ufffe\uffff]+/gu, " ")
    .trim();
  if (line !== "") return line;
  throw new OuterloopError("invalid-option", "expected a reason for which a message is buried, got none");
}

/** Throws `invalid-option` unless messages may be received at least once. */
export function checkQueueOptions({ maxReceives }: QueueOptions): void {
  if (!Number.isInteger(maxReceives)) within("maxReceives", Number.NaN, 1, 1000);
  within("maxReceives", maxReceives, 1, 1000);
}

/** `lease-lost`: the consumer was too slow; another one has the message, or will. */
export function leaseLost(id: string): OuterloopError {
  const message = `the lease of message ${id} has ended: drop the work, the message comes again`;
  return new OuterloopError("lease-lost", message, { id });
}

function within(name: string, value: number, least: number, most: number): number {
  if (value >= least && value <= most) return value;
  throw new OuterloopError("invalid-option", `expected ${name} from ${least} to ${most}, got ${value}`, {
    [name]: value,
  });
}
