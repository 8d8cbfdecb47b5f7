/**
 * A queue over HTTP: what an evaluator, who has no key of the queue itself, leases its jobs through.
 *
 * Every operation is a POST with a JSON body. Signatures are checked by the app around, before these routes.
 *
 * @module
 */
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { z } from "zod";
import { OuterloopError } from "../../schemas/errors.ts";
import { errorResponse, onTypedError, parseJson } from "./http-errors.ts";
import type { Queue } from "./queue.ts";

/** The operations of a queue that a route can expose. */
export type QueueOperation = "send" | "receive" | "extend" | "ack" | "bury" | "dead-letters";

/**
 * What a consumer needs, and no more: it can send no work, read nothing that failed, and bury nothing. An evaluator
 * that could bury would take a job away from all others; what it cannot do, it lets go, and the queue counts.
 */
export const CONSUMER_OPERATIONS: readonly QueueOperation[] = ["receive", "extend", "ack"];

/** JSON may write one byte as six (`\u0000`), and has its own fields around the message. */
const MAX_REQUEST_BYTES = 2 * 1024 * 1024;

const message = z.object({
  id: z.string().max(200),
  body: z.string(),
  lease: z.string().max(2000),
  receives: z.int().min(0),
  reason: z.string().max(1000).exactOptional(),
});

/** The contract of the routes, shared with `http-queue.ts`. Limits of the numbers are the queue's own. */
export const queueBodies = {
  send: z.object({ body: z.string(), delaySeconds: z.number().exactOptional() }),
  receive: z.object({
    max: z.number().exactOptional(),
    leaseSeconds: z.number(),
    waitSeconds: z.number().exactOptional(),
  }),
  extend: z.object({ message, leaseSeconds: z.number() }),
  ack: z.object({ message }),
  bury: z.object({ message, reason: z.string().max(1000) }),
  deadLetters: z.object({ limit: z.int().min(1).max(1000).exactOptional() }),
  messages: z.object({ messages: z.array(message) }),
};

/**
 * The routes `POST /send`, `/receive`, `/extend`, `/ack`, `/bury`, `/dead-letters`, of which only `expose` exist (those of a
 * consumer). Refusals are `{ code, message, details }`: 400 `invalid-body`, `invalid-option`; 409 `lease-lost`;
 * 413 `message-too-large`, `body-too-large`.
 */
export function queueRoutes(options: { queue: Queue; expose?: readonly QueueOperation[] }): Hono {
  const { queue, expose = CONSUMER_OPERATIONS } = options;
  const app = new Hono();
  app.onError(onTypedError);
  app.use(bodyLimit({ maxSize: MAX_REQUEST_BYTES, onError: bodyTooLarge }));

  const handlers: Record<QueueOperation, (c: Context) => Promise<Response>> = {
    async send(c) {
      const { body, ...sendOptions } = await read(c, queueBodies.send);
      await queue.send(body, sendOptions);
      return c.json({});
    },
    async receive(c) {
      return c.json({ messages: await queue.receive(await read(c, queueBodies.receive)) });
    },
    async extend(c) {
      const { message, leaseSeconds } = await read(c, queueBodies.extend);
      await queue.extend(message, leaseSeconds);
      return c.json({});
    },
    async ack(c) {
      await queue.ack((await read(c, queueBodies.ack)).message);
      return c.json({});
    },
    async bury(c) {
      const { message, reason } = await read(c, queueBodies.bury);
      await queue.bury(message, reason);
      return c.json({});
    },
    async "dead-letters"(c) {
      const { limit } = await read(c, queueBodies.deadLetters);
      return c.json({ messages: await queue.deadLetters(limit) });
    },
  };
  for (const operation of expose) app.post(`/${operation}`, handlers[operation]);
  return app;
}

async function read<T>(c: Context, schema: z.ZodType<T>): Promise<T> {
  const parsed = schema.safeParse(parseJson(await c.req.text()));
  if (parsed.success) return parsed.data;
  const message = `expected another body for ${c.req.path}: ${z.prettifyError(parsed.error)}`;
  throw new OuterloopError("invalid-body", message);
}

function bodyTooLarge(c: Context): Response {
  return errorResponse(c, "body-too-large", `expected a request of at most ${MAX_REQUEST_BYTES} bytes`);
}
