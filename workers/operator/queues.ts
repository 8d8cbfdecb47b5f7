/**
 * The queues and their dead letters, made in the order in which they depend on each other.
 *
 * @module
 */
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  QueueAttributeName,
  QueueDoesNotExist,
  SetQueueAttributesCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { z } from "zod";
import { codeOf } from "../../functions/storage/service-errors.ts";
import {
  deadLetterName,
  QUEUE_KINDS,
  type QueueKind,
  queueName,
} from "../../functions/storage/sqs-queues.ts";
import { MAX_RECEIVES, OuterloopError } from "../../schemas/index.ts";
import type { Setting } from "./setting.ts";

/**
 * How long a message stays hidden from others when its consumer says nothing: as long as its work takes at worst. Our own
 * consumers ask for their time and extend it; a function of AWS cannot, and AWS advises six times its time limit.
 */
export const VISIBILITY_SECONDS: Readonly<Record<QueueKind, number>> = { ticks: 180, shards: 900, jobs: 60 };
const LONG_POLL_SECONDS = 20;
const DEAD_DAYS = 14;
const DAY_SECONDS = 86_400;

/** A queue as it stands. */
export interface FoundQueue {
  url: string;
  arn: string;
  attributes: Readonly<Record<string, string>>;
}

/** Dead letters first: a queue is told where its own are to go. */
export function queueSettings(sqs: SQSClient, name: string): Setting[] {
  return QUEUE_KINDS.flatMap((kind) => [
    queueSetting(sqs, deadLetterName(name, kind), [retention]),
    queueSetting(sqs, queueName(name, kind), [
      visibility(VISIBILITY_SECONDS[kind]),
      longPoll,
      redrive(deadLetterName(name, kind)),
    ]),
  ]);
}

/** Null: there is no such queue. */
export async function findQueue(sqs: SQSClient, name: string): Promise<FoundQueue | null> {
  try {
    const { QueueUrl: url = "" } = await sqs.send(new GetQueueUrlCommand({ QueueName: name }));
    const { Attributes: attributes = {} } = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: [QueueAttributeName.All] }),
    );
    return { url, arn: attributes.QueueArn ?? "", attributes };
  } catch (error) {
    if (error instanceof QueueDoesNotExist) return null;
    throw error;
  }
}

/** The same, of a queue that is needed for what comes next (`no-such-queue`). */
export async function requireQueue(sqs: SQSClient, name: string): Promise<FoundQueue> {
  const queue = await findQueue(sqs, name);
  if (queue !== null) return queue;
  throw new OuterloopError("no-such-queue", `there is no queue ${name}: run outerloop provision again`, {
    name,
  });
}

/** One attribute of a queue: what it is to be and how a person says what it is. */
export interface QueueAttribute {
  name: string;
  /** `visibility`, and behind it what `says` makes of the value that is wanted. */
  label: string;
  wanted: string;
  says(value: string): string;
  /** What to set it to. */
  value(sqs: SQSClient): Promise<string>;
}

const inSeconds = (name: string, label: string, seconds: number): QueueAttribute => ({
  name,
  label,
  wanted: `${seconds} s`,
  says: (value) => `${value} s`,
  value: async () => String(seconds),
});
const visibility = (seconds: number) => inSeconds("VisibilityTimeout", "visibility", seconds);
const longPoll = inSeconds("ReceiveMessageWaitTimeSeconds", "long poll", LONG_POLL_SECONDS);
const retention: QueueAttribute = {
  name: "MessageRetentionPeriod",
  label: "kept",
  wanted: `${DEAD_DAYS} days`,
  says: (value) => `${Number((Number(value) / DAY_SECONDS).toFixed(1))} days`,
  value: async () => String(DEAD_DAYS * DAY_SECONDS),
};
/** Where messages go that fail too often. */
export const redrive = (dead: string): QueueAttribute => ({
  name: "RedrivePolicy",
  label: "dead letters",
  wanted: `to ${dead} after ${MAX_RECEIVES} receives`,
  says: redriveText,
  value: async (sqs) =>
    JSON.stringify({
      deadLetterTargetArn: (await requireQueue(sqs, dead)).arn,
      maxReceiveCount: MAX_RECEIVES,
    }),
});

const redrivePolicy = z.object({
  deadLetterTargetArn: z.string(),
  maxReceiveCount: z.coerce.number(),
});

function redriveText(value: string): string {
  const policy = redrivePolicy.safeParse(jsonOrNull(value));
  if (!policy.success) return "nowhere";
  const { deadLetterTargetArn, maxReceiveCount } = policy.data;
  return `to ${deadLetterTargetArn.split(":").at(-1)} after ${maxReceiveCount} receives`;
}

/** What a queue's attributes say otherwise than wanted, with what they say now. */
export function differingAttributes(
  wanted: readonly QueueAttribute[],
  attributes: Readonly<Record<string, string>>,
): { attribute: QueueAttribute; text: string }[] {
  return wanted.flatMap((attribute) => {
    const found = attribute.says(attributes[attribute.name] ?? "");
    return found === attribute.wanted ? [] : [{ attribute, text: `${wantedText(attribute)} (was ${found})` }];
  });
}

function wantedText({ label, wanted }: QueueAttribute): string {
  return `${label} ${wanted}`;
}

function queueSetting(sqs: SQSClient, name: string, wanted: QueueAttribute[]): Setting<FoundQueue | null> {
  return {
    name: `queue ${name}`,
    isNeeded: true,
    read: () => findQueue(sqs, name),
    compare: (found) => {
      if (found === null) return { sign: "+", text: wanted.map(wantedText).join(", ") };
      const differing = differingAttributes(wanted, found.attributes);
      return differing.length === 0
        ? null
        : { sign: "~", text: differing.map(({ text }) => text).join(", ") };
    },
    apply: async (found) => {
      const changes =
        found === null
          ? wanted
          : differingAttributes(wanted, found.attributes).map(({ attribute }) => attribute);
      const Attributes: Record<string, string> = {};
      for (const one of changes) Attributes[one.name] = await one.value(sqs);
      if (found !== null) {
        await sqs.send(new SetQueueAttributesCommand({ QueueUrl: found.url, Attributes }));
        return;
      }
      try {
        await sqs.send(new CreateQueueCommand({ QueueName: name, Attributes }));
      } catch (error) {
        if (!/DeletedRecently/.test(codeOf(error))) throw error;
        const message = `${name} was deleted just now and cannot be made again for 60 s: run the same command then`;
        throw new OuterloopError("queue-deleted-recently", message, { name }, error);
      }
    },
  };
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
