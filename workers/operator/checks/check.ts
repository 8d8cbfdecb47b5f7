/**
 * One question that the doctor asks of an environment, and its answer.
 *
 * @module
 */
import { serviceError } from "../../../functions/storage/service-errors.ts";
import { isOuterloopError } from "../../../schemas/errors.ts";
import type { DoctorContext } from "./context.ts";

/** `not applicable`: the question makes no sense here, or another one comes first. */
export type Status = "ok" | "warning" | "failed" | "not applicable";

export interface Finding {
  status: Status;
  /** Why, in one line. */
  detail: string;
  /** What to do. */
  advice?: string;
}

export interface Check {
  /** Unique; short enough for the column of a table. */
  name: string;
  /** Whose errors it meets. */
  service: "store" | "queue" | "coordinator";
  /** Names of checks that must not have failed, or this one could say nothing. */
  needs: readonly string[];
  run(context: DoctorContext): Promise<Finding>;
}

/** The answer with its question. */
export interface Result extends Finding {
  name: string;
  /** The check that has to pass before this one can be asked. */
  blockedBy?: string;
}

export const ok = (detail: string): Finding => ({ status: "ok", detail });
export const warning = (detail: string, advice: string): Finding => ({ status: "warning", detail, advice });
export const failed = (detail: string, advice: string): Finding => ({ status: "failed", detail, advice });
export const notApplicable = (detail: string): Finding => ({ status: "not applicable", detail });

/** Asks one question; an error on the way is an answer, too. `earlier`: the results so far. */
export async function runCheck(
  check: Check,
  context: DoctorContext,
  earlier: ReadonlyMap<string, Result>,
): Promise<Result> {
  const { name, service, needs } = check;
  const blockedBy = needs.find((need) => {
    const status = earlier.get(need)?.status;
    return status === "failed" || status === "not applicable";
  });
  if (blockedBy !== undefined) return { name, ...notApplicable(`needs "${blockedBy}"`), blockedBy };
  try {
    return { name, ...(await check.run(context)) };
  } catch (error) {
    context.signal.throwIfAborted();
    return { name, status: "failed", detail: messageOf(error, service, context) };
  }
}

/** Typed errors explain themselves; those of the SDK are explained here. */
function messageOf(error: unknown, service: Check["service"], { storage }: DoctorContext): string {
  const { endpoint = "AWS", queueEndpoint = "AWS", bucket, name } = storage;
  const explained =
    isOuterloopError(error) || service === "coordinator"
      ? error
      : serviceError(error, {
          operation: "a request",
          ...(service === "store"
            ? { service, endpoint, about: `bucket ${bucket}` }
            : { service, endpoint: queueEndpoint, about: `queues ${name}-…` }),
        });
  return (explained instanceof Error ? explained.message : String(explained)).replace(/\s+/g, " ");
}
