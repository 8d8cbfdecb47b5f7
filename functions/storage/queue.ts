/**
 * The port to a queue, with the semantics of a standard SQS queue: at least once, unordered, a lease (visibility
 * timeout) that the consumer extends, dead letters after too many receives. Every adapter passes `queue.contract.ts`.
 *
 * @module
 */

/** A leased message. It comes back to others when the lease runs out before `ack`. */
export interface Message {
  id: string;
  /** JSON text, as sent. */
  body: string;
  /** Proof of this very lease; a later lease of the same message has another one. */
  lease: string;
  /** How often this message has been received, this time included. */
  receives: number;
  /** Of a dead letter that was buried: why. Those that died of too many receives have none. */
  reason?: string;
}

/** Every operation throws `invalid-option` for a number outside the limits named here. */
export interface Queue {
  /** Durable when it returns. At most 256 KiB of text (`message-too-large`); `delaySeconds` at most 900. */
  send(body: string, options?: { delaySeconds?: number }): Promise<void>;
  /** Leases up to `max` (1 to 10) messages; waits up to `waitSeconds` (0 to 20) for the first one. */
  receive(options: { max?: number; leaseSeconds: number; waitSeconds?: number }): Promise<Message[]>;
  /** The lease now ends `leaseSeconds` from now (0: give it back at once). `lease-lost` when it already ended. */
  extend(message: Message, leaseSeconds: number): Promise<void>;
  /** Done: the message never comes again. Idempotent; harmless with a lease that was lost. */
  ack(message: Message): Promise<void>;
  /**
   * Moves a leased message to the dead letters at once, with the reason (a line of text, cut after 1000 characters): for
   * one that no repetition can help. `lease-lost` when the lease already ended: then whoever has it now decides.
   */
  bury(message: Message, reason: string): Promise<void>;
  /**
   * Messages that were received `maxReceives` times without an `ack` or were buried, at most `limit` (100), oldest
   * death first. They are to be read, not acknowledged: their `lease` is empty.
   */
  deadLetters(limit?: number): Promise<Message[]>;
}

/** A queue is created with its redrive limit. */
export interface QueueOptions {
  /** Receives after which a message moves to the dead letters instead of coming again. */
  maxReceives: number;
}
