/**
 * Reading a dead-letter queue without taking anything out of it.
 *
 * @module
 */
import {
  ChangeMessageVisibilityBatchCommand,
  ReceiveMessageCommand,
  type SQSClient,
  type Message as SqsMessage,
} from "@aws-sdk/client-sqs";
import type { Message } from "./queue.ts";

/** Attributes of a buried message: what SQS keeps itself of one that it moved. */
export const LETTER = { reason: "reason", id: "id", receives: "receives" } as const;

/** SQS gives at most so many at a time. */
const BATCH = 10;
/** While they are read, letters are hidden from each other reading; afterwards they are shown again at once. */
const HIDDEN_SECONDS = 30;

/**
 * At most `limit` letters, oldest first among those read: SQS has no order and no way to look without receiving, so of
 * many letters these are some. Each reading counts as a receive in the `receives` of a letter that SQS moved; a buried
 * one says how often it was received before.
 */
export async function readDeadLetters(
  client: SQSClient,
  queueUrl: string,
  limit: number,
): Promise<Message[]> {
  const held: SqsMessage[] = [];
  try {
    while (held.length < limit) {
      const { Messages = [] } = await client.send(
        new ReceiveMessageCommand({
          QueueUrl: queueUrl,
          MaxNumberOfMessages: Math.min(BATCH, limit - held.length),
          VisibilityTimeout: HIDDEN_SECONDS,
          // A second's wait asks all of SQS's servers; without one, a queue may look empty that is not.
          WaitTimeSeconds: held.length === 0 ? 1 : 0,
          MessageSystemAttributeNames: ["ApproximateReceiveCount", "SentTimestamp"],
          MessageAttributeNames: Object.values(LETTER),
        }),
      );
      if (Messages.length === 0) break;
      held.push(...Messages);
    }
  } finally {
    await show(client, queueUrl, held);
  }
  const letters = new Map<string, Message>();
  for (const message of held.sort((a, b) => sentAtMs(a) - sentAtMs(b))) {
    const letter = letterOf(message);
    if (!letters.has(letter.id)) letters.set(letter.id, letter);
  }
  return [...letters.values()];
}

/** Ends the hiding, which else ends by itself: a failure here costs seconds, and must not cost what was read. */
async function show(client: SQSClient, queueUrl: string, held: readonly SqsMessage[]): Promise<void> {
  for (let at = 0; at < held.length; at += BATCH) {
    const Entries = held
      .slice(at, at + BATCH)
      .map(({ ReceiptHandle }, index) => ({ Id: `${index}`, ReceiptHandle, VisibilityTimeout: 0 }));
    await client
      .send(new ChangeMessageVisibilityBatchCommand({ QueueUrl: queueUrl, Entries }))
      .catch(() => {});
  }
}

function letterOf({ MessageId = "", Body = "", Attributes, MessageAttributes = {} }: SqsMessage): Message {
  const attribute = (name: string) => MessageAttributes[name]?.StringValue;
  const reason = attribute(LETTER.reason);
  return {
    id: attribute(LETTER.id) ?? MessageId,
    body: Body,
    lease: "",
    receives: Number(attribute(LETTER.receives) ?? Attributes?.ApproximateReceiveCount ?? 1),
    ...(reason === undefined ? {} : { reason }),
  };
}

function sentAtMs({ Attributes }: SqsMessage): number {
  return Number(Attributes?.SentTimestamp ?? 0);
}
