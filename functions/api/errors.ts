/**
 * Statuses of the API's typed errors.
 *
 * @module
 */
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { type ApiError, isOuterloopError } from "../../schemas/index.ts";
import { OF_SERVICES } from "../storage/http-errors.ts";

const STATUS: Readonly<Record<string, ContentfulStatusCode>> = {
  malformed: 400,
  "not-canonical": 400,
  "wrong-digest": 400,
  "wrong-body": 400,
  "size-mismatch": 400,
  "wrong-report": 400,
  "invalid-body": 400,
  "invalid-key": 400,
  "invalid-option": 400,
  "unsigned-request": 401,
  "stale-signature": 401,
  "bad-signature": 401,
  "missing-component": 401,
  "missing-signature": 401,
  "weak-key": 401,
  "wrong-signer": 403,
  "not-registered": 403,
  "not-in-roster": 403,
  "not-an-evaluator": 403,
  "evaluator-out": 403,
  "no-such-run": 404,
  "no-such-object": 404,
  "round-not-open": 409,
  "no-roster": 409,
  "round-closed": 409,
  "wrong-manifest": 409,
  "already-committed": 409,
  "already-announced": 409,
  "already-registered": 409,
  "no-commit": 409,
  "no-close": 409,
  "no-selection": 409,
  "run-not-served": 409,
  "lease-lost": 409,
  "upload-over": 410,
  "ticket-expired": 410,
  "body-too-large": 413,
  "clock-skew": 503,
  "no-such-bucket": 503,
  "no-such-queue": 503,
};

/** The answer to an error: typed ones with their code and figures, others as `internal` without a word too much. */
export function answerError(error: Error, c: Context): Response {
  if (isOuterloopError(error)) {
    const body: ApiError = { code: error.code, message: error.message, details: { ...error.details } };
    return c.json(body, STATUS[error.code] ?? (OF_SERVICES.test(error.code) ? 503 : 500));
  }
  // A body that is no JSON, caught by the framework before any schema saw it.
  if (error instanceof HTTPException && error.status < 500) {
    return c.json(
      { code: "malformed", message: error.message || "the request cannot be read", details: {} },
      400,
    );
  }
  const body: ApiError = {
    code: "internal",
    message: "the coordinator failed on this request; it is safe to repeat it",
  };
  return c.json(body, 500);
}
