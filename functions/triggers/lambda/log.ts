/**
 * The log of a function: one JSON object a line, in the shape of Lambda's own lines, with the id of the request.
 *
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { isOuterloopError } from "../../../schemas/index.ts";
import type { Log } from "../environment.ts";

const LEVELS = { info: "INFO", warning: "WARN", error: "ERROR" } as const;
/** An error may be the effect of another one, but not of endlessly many. */
const MAX_CAUSES = 5;

/** The id of the request that is being handled, for every line that is written meanwhile. */
export const requestId = new AsyncLocalStorage<string>();

export const log: Log = (level, message, fields = {}) => {
  const line = {
    timestamp: new Date().toISOString(),
    level: LEVELS[level],
    requestId: requestId.getStore(),
    message,
    details: Object.keys(fields).length === 0 ? undefined : fields,
  };
  process.stdout.write(
    `${JSON.stringify(line, (_, value) => (value instanceof Error ? plainError(value) : value))}\n`,
  );
};

/** Everything that helps to find the fault: JSON by itself shows nothing of an error. */
function plainError(error: Error, depth = 0): Record<string, unknown> {
  const { name, message, stack, cause } = error;
  return {
    name,
    ...(isOuterloopError(error) ? { code: error.code, details: error.details } : {}),
    message,
    stack,
    ...(cause instanceof Error && depth < MAX_CAUSES ? { cause: plainError(cause, depth + 1) } : {}),
  };
}
