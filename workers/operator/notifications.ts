/**
 * Who is told of uploads: a rule of the bucket for `uploads/*.slc`. Rules of others stay.
 *
 * @module
 */
import {
  type FilterRule,
  GetBucketLocationCommand,
  GetBucketNotificationConfigurationCommand,
  type NotificationConfiguration,
  PutBucketNotificationConfigurationCommand,
  type QueueConfiguration,
  type S3Client,
} from "@aws-sdk/client-s3";
import type { SQSClient } from "@aws-sdk/client-sqs";
import { NOTIFICATIONS_PATH } from "../../functions/storage/notification-routes.ts";
import { codeOf } from "../../functions/storage/service-errors.ts";
import { queueName } from "../../functions/storage/sqs-queues.ts";
import { OuterloopError } from "../../schemas/errors.ts";
import { findQueue, requireQueue } from "./queues.ts";
import type { ServerKind } from "./server-kind.ts";
import { notOffered, readOptional, type Setting } from "./setting.ts";
import type { StorageOptions } from "./storage-options.ts";

/** How this store announces uploads, once `auto` is decided. */
export type Notify = { kind: "sqs" } | { kind: "webhook"; target: string } | { kind: "none" };

export const WATCHED = { prefix: "uploads/", suffix: ".slc" } as const;
const RULE_ID = "outerloop-uploads";
const EVENT = "s3:ObjectCreated:*";
const WATCHED_TEXT = `${WATCHED.prefix}*${WATCHED.suffix}`;
const NAME = `notification of ${WATCHED_TEXT}`;

/** MinIO knows no SQS and posts to a webhook; R2 sends to Cloudflare's own queues alone. */
export function resolveNotify({ notify }: StorageOptions, server: ServerKind): Notify {
  if (notify === "auto") {
    if (server === "r2") return { kind: "none" };
    return server === "minio" ? { kind: "webhook", target: "OUTERLOOP" } : { kind: "sqs" };
  }
  if (notify === "sqs" || notify === "none") return { kind: notify };
  return { kind: "webhook", target: notify.slice("webhook:".length) };
}

interface FoundNotifications {
  configuration: NotificationConfiguration;
  /** Null: nobody is to be told, or the queue is yet to be made. */
  target: string | null;
}

export function notificationSetting(
  s3: S3Client,
  sqs: SQSClient,
  options: StorageOptions,
  server: ServerKind,
): Setting {
  const { bucket, name } = options;
  const notify = resolveNotify(options, server);
  if (server === "r2") {
    return notOffered(
      NAME,
      "R2 notifies Cloudflare's own queues alone, which is a step by hand; the sweep finds uploads without events",
    );
  }
  const queue = queueName(name, "shards");
  const setting: Setting<FoundNotifications> = {
    name: NAME,
    read: async () => ({
      configuration:
        (await readOptional(() =>
          s3.send(new GetBucketNotificationConfigurationCommand({ Bucket: bucket })),
        )) ?? {},
      target:
        notify.kind === "sqs"
          ? ((await findQueue(sqs, queue))?.arn ?? null)
          : notify.kind === "webhook"
            ? await webhookArn(s3, bucket, notify.target)
            : null,
    }),
    compare: ({ configuration, target }) => {
      const rules = configuration.QueueConfigurations ?? [];
      const mine = rules.find(({ Id }) => Id === RULE_ID);
      if (notify.kind === "none")
        return mine === undefined ? null : { sign: "-", text: String(mine.QueueArn) };
      if (target !== null && rules.some((rule) => tells(rule, target))) return null;
      const to = notify.kind === "sqs" ? `to queue ${queue}` : `to webhook ${notify.target}`;
      if (mine === undefined) return { sign: "+", text: to };
      return { sign: "~", text: `${to} (was ${mine.QueueArn} for ${filterText(mine)})` };
    },
    apply: async ({ configuration, target }) => {
      const arn = notify.kind === "sqs" ? (target ?? (await requireQueue(sqs, queue)).arn) : target;
      try {
        await s3.send(
          new PutBucketNotificationConfigurationCommand({
            Bucket: bucket,
            NotificationConfiguration: mergedNotifications(configuration, arn),
          }),
        );
      } catch (error) {
        throw refusalOf(error, notify) ?? error;
      }
    },
  };
  return setting;
}

/** Whom the bucket tells of uploads: the name of a queue or webhook; null: nobody. */
export async function readNotificationTarget(s3: S3Client, bucket: string): Promise<string | null> {
  const found = await s3.send(new GetBucketNotificationConfigurationCommand({ Bucket: bucket }));
  const rule = found.QueueConfigurations?.find(
    (one) => one.Events?.includes(EVENT) && filterText(one) === WATCHED_TEXT,
  );
  return rule?.QueueArn ?? null;
}

/** What others set, and our rule; without it if there is nobody to tell. */
export function mergedNotifications(
  found: NotificationConfiguration,
  arn: string | null,
): NotificationConfiguration {
  const { TopicConfigurations, QueueConfigurations = [], LambdaFunctionConfigurations } = found;
  const others = QueueConfigurations.filter(({ Id }) => Id !== RULE_ID);
  const rule: QueueConfiguration = {
    Id: RULE_ID,
    QueueArn: arn ?? undefined,
    Events: [EVENT],
    Filter: {
      Key: {
        FilterRules: [
          { Name: "prefix", Value: WATCHED.prefix },
          { Name: "suffix", Value: WATCHED.suffix },
        ],
      },
    },
  };
  return {
    TopicConfigurations,
    LambdaFunctionConfigurations,
    EventBridgeConfiguration: found.EventBridgeConfiguration,
    QueueConfigurations: arn === null ? others : [...others, rule],
  };
}

/** Whoever wrote the rule, and however the store spells it. */
export function tells(rule: QueueConfiguration, arn: string): boolean {
  return rule.QueueArn === arn && (rule.Events ?? []).includes(EVENT) && filterText(rule) === WATCHED_TEXT;
}

function filterText({ Filter }: QueueConfiguration): string {
  const value = (name: string) =>
    Filter?.Key?.FilterRules?.find((rule: FilterRule) => rule.Name?.toLowerCase() === name)?.Value ?? "";
  return `${value("prefix")}*${value("suffix")}`;
}

/** A MinIO that was given a region has it in the names of its targets. */
async function webhookArn(s3: S3Client, bucket: string, target: string): Promise<string> {
  const found = await readOptional(() => s3.send(new GetBucketLocationCommand({ Bucket: bucket })));
  return `arn:minio:sqs:${found?.LocationConstraint ?? ""}:${target}:webhook`;
}

/** The two refusals that have a cause outside the bucket. */
function refusalOf(error: unknown, notify: Notify): OuterloopError | null {
  if (!(error instanceof Error) || !["InvalidArgument", "ARNNotFound"].includes(codeOf(error))) return null;
  const { message } = error;
  if (notify.kind === "webhook") {
    const variable = (what: string) => `MINIO_NOTIFY_WEBHOOK_${what}_${notify.target}`;
    return new OuterloopError(
      "no-such-webhook",
      `MinIO knows no webhook ${notify.target} (${message}): start it with ${variable("ENABLE")}=on, ` +
        `${variable("ENDPOINT")}=http://COORDINATOR${NOTIFICATIONS_PATH} and ${variable("AUTH_TOKEN")}=TOKEN, ` +
        "or choose --notify none and leave uploads to the sweep",
      { target: notify.target },
      error,
    );
  }
  return new OuterloopError(
    "notification-refused",
    `the store does not send to this queue (${message}): a new policy of a queue takes up to a minute, so run the same ` +
      "command again; a rule of somebody else for the same keys must go first; a server without SQS needs --notify webhook:NAME or none",
    {},
    error,
  );
}
