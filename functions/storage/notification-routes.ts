/**
 * Where a store that cannot send its notifications to a queue posts them: MinIO's webhook.
 *
 * @module
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { isOuterloopError, OuterloopError } from "../../schemas/errors.ts";
import { errorResponse, parseJson } from "./http-errors.ts";
import type { Queue } from "./queue.ts";
import { MAX_BODY_BYTES } from "./queue-checks.ts";
import { keysOfNotification } from "./s3-events.ts";

/** Path of the route, below wherever the routes are mounted. */
export const NOTIFICATIONS_PATH = "/events";

export interface NotificationRoutesOptions {
  /** Gets every notification as it came: whoever reads the queue also reads those that S3 sends there itself. */
  queue: Queue;
  /** What the store sends as `Authorization: Bearer …`; at least 16 bytes. */
  token: string;
}

/**
 * `POST /events`: 200 only once the notification is in the queue, so that the store repeats what was not. Refusals
 * are `{ code, message, details }`: 401 `wrong-token`, before the body is read; 413 `body-too-large`;
 * 400 `invalid-notification`; 503 `notification-not-queued`.
 */
export function notificationRoutes({ queue, token }: NotificationRoutesOptions): Hono {
  if (Buffer.byteLength(token) < 16) {
    throw new OuterloopError("invalid-option", "expected a notification token of at least 16 bytes");
  }
  const app = new Hono();

  app.use(NOTIFICATIONS_PATH, async (c, next) => {
    if (sameSecret(c.req.header("authorization") ?? "", `Bearer ${token}`)) return next();
    const message = "expected the header authorization: Bearer with the token of this deployment";
    return errorResponse(c, "wrong-token", message);
  });
  app.use(NOTIFICATIONS_PATH, bodyLimit({ maxSize: MAX_BODY_BYTES, onError: bodyTooLarge }));

  app.post(NOTIFICATIONS_PATH, async (c) => {
    const body = await c.req.text();
    const keys = keysOfNotification(parseJson(body));
    if (keys === null) {
      const message = `expected an event notification of S3 in JSON, got: ${body.slice(0, 200)}`;
      return errorResponse(c, "invalid-notification", message);
    }
    if (keys.length === 0) return c.json({});
    try {
      await queue.send(body);
    } catch (error) {
      const why = isOuterloopError(error) ? error.message : "the queue failed";
      return errorResponse(c, "notification-not-queued", `${why} (the store will send this again)`, { keys });
    }
    return c.json({});
  });
  return app;
}

/** Constant time, whatever the lengths. */
function sameSecret(got: string, expected: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(got), digest(expected));
}

function bodyTooLarge(c: Context): Response {
  return errorResponse(c, "body-too-large", `expected a notification of at most ${MAX_BODY_BYTES} bytes`);
}
