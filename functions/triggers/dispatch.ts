/**
 * A batch from a functions' queue: every message goes to its handler, then each run that was ticked is decided once.
 *
 * @module
 */
import {
  type FunctionMessage,
  firstIssues,
  functionMessage,
  OuterloopError,
  parseUploadKey,
  unreachable,
} from "../../schemas/index.ts";
import type { Message } from "../storage/queue.ts";
import { keysOfNotification } from "../storage/s3-events.ts";
import type { TriggerEnvironment } from "./environment.ts";
import { shardUploaded } from "./shard-uploaded.ts";
import { shardWork } from "./shard-work.ts";
import { tick } from "./tick.ts";

/** A message that was not dealt with, and why. */
export interface Failure {
  message: Message;
  error: unknown;
}

/** Handles a batch; returns the messages that failed: `settleFailures` says what becomes of them. */
export async function dispatch(
  environment: TriggerEnvironment,
  messages: readonly Message[],
): Promise<Failure[]> {
  const failures: Failure[] = [];
  const ticks = new Map<string, Message[]>();
  const attempt = async (affected: readonly Message[], work: () => Promise<unknown>) => {
    try {
      await work();
    } catch (error) {
      failures.push(...affected.map((message) => ({ message, error })));
    }
  };

  await Promise.all(
    messages.map((message) =>
      attempt([message], async () => {
        for (const work of parseMessage(message.body)) {
          if (work.type === "tick") ticks.set(work.run, [...(ticks.get(work.run) ?? []), message]);
          else await handle(environment, work);
        }
      }),
    ),
  );
  for (const [run, affected] of ticks) await attempt(affected, () => tick(environment, run));
  return failures;
}

/**
 * A message is one of our own, or a notification of the store, which may name several objects, or none (the test that
 * the store sends when notifications are set). `malformed-message`: anything else.
 */
function parseMessage(body: string): FunctionMessage[] {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch (error) {
    throw malformed("expected JSON", body, error);
  }
  const keys = keysOfNotification(json);
  if (keys !== null) return keys.map((key) => ({ type: "created", key }));
  const parsed = functionMessage.safeParse(json);
  if (parsed.success) return [parsed.data];
  throw malformed(
    `expected a message for functions or a notification (${firstIssues(parsed.error)})`,
    body,
    parsed.error,
  );
}

function malformed(expected: string, body: string, cause: unknown): OuterloopError {
  const message = `${expected}, got ${JSON.stringify(body.slice(0, 200))}: find out who sends to this queue`;
  return new OuterloopError("malformed-message", message, {}, cause);
}

async function handle(
  environment: TriggerEnvironment,
  message: Exclude<FunctionMessage, { type: "tick" }>,
): Promise<void> {
  switch (message.type) {
    case "created":
      // Notifications of other objects mean nothing here.
      if (parseUploadKey(message.key) !== null) await shardUploaded(environment, message.key);
      return;
    case "aggregate":
    case "state":
      return shardWork(environment, message);
    default:
      return unreachable(message);
  }
}
