/**
 * How a typed error travels over HTTP: a status and `{ code, message, details }`.
 *
 * @module
 */
import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { z } from "zod";
import { OuterloopError } from "../../schemas/errors.ts";

const errorBody = z.object({
  code: z.string().max(100),
  message: z.string().max(10_000),
  details: z.record(z.string(), z.unknown()).default({}),
});

/** Statuses of the codes that the storage routes answer; any other is a fault of the server. */
const STATUS: Readonly<Record<string, ContentfulStatusCode>> = {
  "invalid-body": 400,
  "invalid-key": 400,
  "invalid-notification": 400,
  "invalid-option": 400,
  "checksum-mismatch": 400,
  "wrong-token": 401,
  "length-mismatch": 403,
  "header-missing": 403,
  "ticket-missing": 403,
  "ticket-forged": 403,
  "ticket-expired": 403,
  "no-such-object": 404,
  "lease-lost": 409,
  "already-uploaded": 412,
  "already-exists": 412,
  "message-too-large": 413,
  "body-too-large": 413,
  "range-not-satisfiable": 416,
  "notification-not-queued": 503,
};

/** Codes of a store, a queue or a place of secrets that is away, or not as it must be: nothing asked of it is to blame. */
export const OF_SERVICES = /^(store|queue|secrets)-/;

/** The answer for a typed error. */
export function errorResponse(
  c: Context,
  code: string,
  message: string,
  details: Record<string, unknown> = {},
): Response {
  return c.json({ code, message, details }, STATUS[code] ?? (OF_SERVICES.test(code) ? 503 : 500));
}

/** For `app.onError`: typed errors become answers, others go on to the app around. */
export function onTypedError(error: Error, c: Context): Response {
  if (error instanceof OuterloopError)
    return errorResponse(c, error.code, error.message, { ...error.details });
  throw error;
}

/** The other side: reads an error answer back into the error; `unexpected-answer` if it is none of ours. */
export async function errorFrom(response: Response): Promise<OuterloopError> {
  const text = await response.text();
  const body = errorBody.safeParse(parseJson(text));
  if (body.success) return new OuterloopError(body.data.code, body.data.message, body.data.details);
  const message = `expected an answer with a code, got HTTP ${response.status}: ${text.slice(0, 200)}`;
  return new OuterloopError("unexpected-answer", message, { status: response.status });
}

/** JSON or undefined, which no schema accepts. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
