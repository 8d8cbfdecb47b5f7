/**
 * Creation events for the listeners of one process, the embedded stand-in for S3's notifications.
 *
 * @module
 */
import type { CreatedEvent } from "./object-store.ts";

export interface CreatedEvents {
  /** Tells every listener whose prefix fits, on a later turn of the event loop. Call it once the write is durable. */
  publish(key: string): void;
  /** Listens; returns the unsubscriber. */
  subscribe(prefix: string, listener: (event: CreatedEvent) => void): () => void;
}

/** A set of listeners. */
export function createCreatedEvents(): CreatedEvents {
  const subscriptions = new Set<{ prefix: string; listener: (event: CreatedEvent) => void }>();
  return {
    publish(key) {
      for (const subscription of subscriptions) {
        if (!key.startsWith(subscription.prefix)) continue;
        // A turn of its own each: a listener that throws is an uncaught error of its owner, and neither the writer
        // nor another listener sees it.
        setImmediate(() => {
          if (subscriptions.has(subscription)) subscription.listener({ key });
        });
      }
    },
    subscribe(prefix, listener) {
      const subscription = { prefix, listener };
      subscriptions.add(subscription);
      return () => void subscriptions.delete(subscription);
    },
  };
}
