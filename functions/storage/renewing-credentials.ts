/**
 * Credentials that sign tickets: renewed early, because a ticket dies with the session that signed it.
 *
 * @module
 */
import { OuterloopError } from "../../schemas/errors.ts";
import type { Credentials } from "./aws-clients.ts";

/** Keys, and until when they are good if they are temporary. */
export type Identity = Exclude<Credentials, (...options: never[]) => unknown>;

/** Longer than any ticket lives (15 minutes), with room for a renewal that fails at first. */
const RENEW_BEFORE_MS = 20 * 60_000;

/**
 * A provider that keeps credentials until 20 minutes before they expire and asks for new ones from then on. While the
 * renewal fails, the old ones serve for as long as they are good. `store-credentials` when there are none.
 */
export function renewing(credentials: Credentials, now: () => number = Date.now): () => Promise<Identity> {
  let current: Identity | undefined;
  let pending: Promise<Identity> | undefined;
  const leftMs = () => (current === undefined ? 0 : (current.expiration?.getTime() ?? Infinity) - now());

  const renew = async (): Promise<Identity> => {
    try {
      current = typeof credentials === "function" ? await credentials() : credentials;
    } catch (error) {
      if (current === undefined || leftMs() <= 0) throw refused(error);
    }
    return current;
  };

  return async () => {
    if (current !== undefined && leftMs() > RENEW_BEFORE_MS) return current;
    // One renewal at a time: a batch of tickets asks for many at once.
    pending ??= renew().finally(() => {
      pending = undefined;
    });
    return pending;
  };
}

function refused(error: unknown): OuterloopError {
  const why = error instanceof Error ? error.message : String(error);
  const message = `expected credentials to sign tickets with, got: ${why} (check the role that signs tickets, and who may take it)`;
  return new OuterloopError("store-credentials", message, {}, error);
}
