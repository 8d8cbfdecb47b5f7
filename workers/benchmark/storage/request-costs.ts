/**
 * What requests would cost at AWS's list prices: an estimate, without storage, traffic and functions.
 *
 * @module
 */

/** Dollars for a million requests, us-east-1: S3 Standard, and standard queues of SQS beyond the free ones. */
export const PRICES = { write: 5, read: 0.4, queue: 0.4 } as const;

const PRICE_OF: Record<string, number> = {
  PUT: PRICES.write,
  "PUT by ticket": PRICES.write,
  LIST: PRICES.write,
  GET: PRICES.read,
  "GET by ticket": PRICES.read,
  HEAD: PRICES.read,
  DELETE: 0,
  // Whoever deletes a message has received it.
  DeleteMessage: 2 * PRICES.queue,
};

/** Every message is counted as received by a request of its own; polls that bring nothing are not counted. */
export function dollarsOf(requests: readonly { kind: string; count: number }[]): number {
  return requests.reduce((sum, { kind, count }) => sum + ((PRICE_OF[kind] ?? PRICES.queue) * count) / 1e6, 0);
}
