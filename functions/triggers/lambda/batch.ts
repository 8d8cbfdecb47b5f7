/**
 * A batch that Lambda took from a queue: good messages are acknowledged, bad ones stand up for themselves.
 *
 * @module
 */
import type { SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda";
import type { Message, Queue } from "../../storage/queue.ts";
import { dispatch } from "../dispatch.ts";
import type { TriggerEnvironment } from "../environment.ts";
import { settleFailures } from "../failures.ts";

/** How long a message stays away that failed once; four times as long after each further failure. */
const FIRST_PAUSE_SECONDS = 10;
const LONGEST_PAUSE_SECONDS = 900;

/**
 * Handles a batch. Lambda deletes what is not listed in the answer; what was buried is gone already.
 *
 * A function that runs out of time answers nothing, and its whole batch comes again: everything it did stands, because
 * every object is created once, and doing it again finds that.
 */
export async function handleBatch(
  environment: TriggerEnvironment,
  queue: Queue,
  { Records }: SQSEvent,
): Promise<SQSBatchResponse> {
  const failures = await dispatch(environment, Records.map(messageOf));
  const again = await settleFailures(queue, failures, environment.log);
  await Promise.all(again.map((message) => pause(environment, queue, message)));
  return { batchItemFailures: again.map(({ id }) => ({ itemIdentifier: id })) };
}

function messageOf({ messageId, body, receiptHandle, attributes }: SQSRecord): Message {
  return {
    id: messageId,
    body,
    lease: receiptHandle,
    receives: Number(attributes.ApproximateReceiveCount),
  };
}

/** Left alone, it would stay away for the lease that Lambda took: six times what the function may take. */
async function pause({ log }: TriggerEnvironment, queue: Queue, message: Message): Promise<void> {
  const seconds = Math.min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 4 ** (message.receives - 1));
  try {
    await queue.extend(message, seconds);
  } catch (error) {
    log("warning", `message ${message.id} comes again when its lease ends: ${String(error)}`, { error });
  }
}
