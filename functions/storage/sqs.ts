/**
 * The queue on SQS, and on services that speak its protocol. Dead letters lie in a queue of their own, where SQS moves
 * what was received too often (its redrive policy, set where the queue is made) and `bury` puts the rest.
 *
 * Where SQS is looser than the port:
 * - An old lease of a message that somebody else has now may still extend or acknowledge it (standard queues promise no
 *   more). Handlers are idempotent, so it costs repeated work at most.
 * - A message cannot be kept for more than 12 hours in all; extending past that is `lease-lost`.
 * - Delays, leases and waits are whole seconds: fractions are rounded up.
 * - Dead letters are a sample: see `deadLetters`.
 *
 * @module
 */
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  type Message as SqsMessage,
} from "@aws-sdk/client-sqs";
import { createSqsClient, type ServiceOptions, SQS_REQUEST_TIMEOUT_MS } from "./aws-clients.ts";
import type { Message, Queue } from "./queue.ts";
import { checkLease, checkReason, checkReceive, checkSend, leaseLost } from "./queue-checks.ts";
import { codeOf, serviceError } from "./service-errors.ts";
import { LETTER, readDeadLetters } from "./sqs-dead-letters.ts";

export interface SqsOptions extends ServiceOptions {
  queueUrl: string;
  /** The queue that the redrive policy names. */
  deadLetterUrl: string;
}

/** What SQS and its likes answer to a lease that has ended, or never was. */
const LOST: readonly string[] = [
  "ReceiptHandleIsInvalid",
  "MessageNotInflight",
  "AWS.SimpleQueueService.MessageNotInflight",
  "InvalidParameterValue",
  "InvalidParameterValueException",
];

/** Long enough to send a message and delete another. */
const BURIAL_SECONDS = 60;

/**
 * The queue at a URL. Errors are those of the port and of `service-errors.ts`: `queue-unreachable`, `queue-credentials`,
 * `queue-denied`, `queue-encryption`, `queue-refused`, `no-such-queue`, `clock-skew`.
 */
export function createSqsQueue(options: SqsOptions): Queue {
  const { queueUrl, deadLetterUrl, endpoint = "AWS" } = options;
  const client = createSqsClient(options);

  const failure = (operation: string, error: unknown, about = queueUrl) =>
    serviceError(error, { service: "queue", operation, about, endpoint });

  const extend = async (message: Message, leaseSeconds: number): Promise<void> => {
    try {
      await client.send(
        new ChangeMessageVisibilityCommand({
          QueueUrl: queueUrl,
          ReceiptHandle: message.lease,
          VisibilityTimeout: leaseSeconds,
        }),
      );
    } catch (error) {
      throw LOST.includes(codeOf(error)) ? leaseLost(message.id) : failure("ChangeMessageVisibility", error);
    }
  };

  const ack = async (message: Message): Promise<void> => {
    try {
      await client.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle: message.lease }));
    } catch (error) {
      if (!LOST.includes(codeOf(error))) throw failure("DeleteMessage", error);
    }
  };

  return {
    async send(body, sendOptions) {
      const delayMs = checkSend(body, sendOptions);
      try {
        await client.send(
          new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: body, DelaySeconds: seconds(delayMs) }),
        );
      } catch (error) {
        throw failure("SendMessage", error);
      }
    },

    async receive(receiveOptions) {
      const { max, leaseMs, waitMs } = checkReceive(receiveOptions);
      try {
        const { Messages = [] } = await client.send(
          new ReceiveMessageCommand({
            QueueUrl: queueUrl,
            MaxNumberOfMessages: max,
            VisibilityTimeout: seconds(leaseMs),
            WaitTimeSeconds: seconds(waitMs),
            MessageSystemAttributeNames: ["ApproximateReceiveCount"],
          }),
          { requestTimeout: waitMs + SQS_REQUEST_TIMEOUT_MS },
        );
        return Messages.map(messageOf);
      } catch (error) {
        throw failure("ReceiveMessage", error);
      }
    },

    async extend(message, leaseSeconds) {
      await extend(message, seconds(checkLease(leaseSeconds)));
    },

    ack,

    async bury(message, reason) {
      const line = checkReason(reason);
      // SQS has no "move": the lease is proven, then the copy is sent, then the message deleted. A process killed in
      // between leaves a message that comes again and may be buried again; readers of dead letters see one.
      await extend(message, BURIAL_SECONDS);
      try {
        await client.send(
          new SendMessageCommand({
            QueueUrl: deadLetterUrl,
            MessageBody: message.body,
            MessageAttributes: {
              [LETTER.reason]: { DataType: "String", StringValue: line },
              [LETTER.id]: { DataType: "String", StringValue: message.id },
              [LETTER.receives]: { DataType: "Number", StringValue: String(message.receives) },
            },
          }),
        );
      } catch (error) {
        throw failure("SendMessage", error, deadLetterUrl);
      }
      await ack(message);
    },

    async deadLetters(limit = 100) {
      try {
        return await readDeadLetters(client, deadLetterUrl, limit);
      } catch (error) {
        throw failure("ReceiveMessage", error, deadLetterUrl);
      }
    },
  };
}

function messageOf({ MessageId = "", Body = "", ReceiptHandle = "", Attributes }: SqsMessage): Message {
  const receives = Number(Attributes?.ApproximateReceiveCount ?? 1);
  return { id: MessageId, body: Body, lease: ReceiptHandle, receives };
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1000);
}
