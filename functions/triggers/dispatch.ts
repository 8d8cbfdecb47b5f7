/**
 * A batch from the functions' queue: every message goes to its handler, then each run that was ticked is decided once.
 *
 * @module
 */
import {
  type FunctionMessage,
  functionMessage,
  parseAggregateRecordKey,
  parseReportKey,
  parseUploadKey,
  unreachable,
} from "../../schemas/index.ts";
import type { Message } from "../storage/queue.ts";
import type { TriggerEnvironment } from "./environment.ts";
import { reportCreated } from "./report-created.ts";
import { shardAggregated } from "./shard-aggregated.ts";
import { shardUploaded } from "./shard-uploaded.ts";
import { shardWork } from "./shard-work.ts";
import { tick } from "./tick.ts";

/** Handles a batch; returns the messages that failed, which the queue will bring again. */
export async function dispatch(
  environment: TriggerEnvironment,
  messages: readonly Message[],
): Promise<Message[]> {
  const failed: Message[] = [];
  const ticks = new Map<string, Message[]>();
  const attempt = async (affected: readonly Message[], work: () => Promise<unknown>) => {
    try {
      await work();
    } catch (error) {
      environment.log("error", `${affected[0]?.body ?? "message"} failed: ${String(error)}`, { error });
      failed.push(...affected);
    }
  };

  await Promise.all(
    messages.map((message) =>
      attempt([message], async () => {
        const parsed = functionMessage.parse(JSON.parse(message.body));
        if (parsed.type !== "tick") return handle(environment, parsed);
        ticks.set(parsed.run, [...(ticks.get(parsed.run) ?? []), message]);
      }),
    ),
  );
  for (const [run, affected] of ticks) await attempt(affected, () => tick(environment, run));
  return failed;
}

async function handle(
  environment: TriggerEnvironment,
  message: Exclude<FunctionMessage, { type: "tick" }>,
): Promise<void> {
  switch (message.type) {
    case "created":
      return created(environment, message.key);
    case "aggregate":
    case "state":
      return shardWork(environment, message);
    default:
      return unreachable(message);
  }
}

/** A creation event, by what its key says. Keys of other objects mean nothing here. */
async function created(environment: TriggerEnvironment, key: string): Promise<void> {
  if (parseUploadKey(key) !== null) return shardUploaded(environment, key);
  if (parseReportKey(key) !== null) return reportCreated(environment, key);
  if (parseAggregateRecordKey(key) !== null) return shardAggregated(environment, key);
}

/** Prefixes whose creation events the functions want; on S3 these are the notification rules. */
export const watchedPrefixes = ["uploads/", "sealed/"] as const;
