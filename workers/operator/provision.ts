/**
 * `outerloop provision`: makes a bucket and queues what a deployment wants them to be, and says what it changed.
 *
 * It reads what stands, compares, and sets the difference only, in an order in which nothing depends on what comes
 * later: what a run that broke off has left, the next one completes. Settings of others are kept.
 *
 * @module
 */
import { serviceError } from "../../functions/storage/service-errors.ts";
import { queueName } from "../../functions/storage/sqs-queues.ts";
import { bucketSettings } from "./bucket.ts";
import { deployedBucket, foreignBucket, readBucketOwner } from "./bucket-owner.ts";
import { corsSetting } from "./cors.ts";
import { isChange, lineText, summaryText } from "./diff.ts";
import { lifecycleSettings } from "./lifecycle.ts";
import { notificationSetting, resolveNotify } from "./notifications.ts";
import { queuePolicySetting } from "./queue-policy.ts";
import { queueSettings } from "./queues.ts";
import { identifyServer, type ServerKind } from "./server-kind.ts";
import { openServices, requireQueueService, type Services } from "./services.ts";
import { type Line, type Place, type Setting, settle } from "./setting.ts";
import {
  type StorageInput,
  type StorageOptions,
  storageArguments,
  storageOptions,
} from "./storage-options.ts";

export interface ProvisionOptions extends StorageInput {
  /** Take over a bucket in which others keep objects. */
  adopt: boolean;
  /** Say what would change, and change nothing. */
  dryRun: boolean;
  /** One JSON object on stdout instead of lines. */
  json: boolean;
}

export interface Provisioned {
  server: ServerKind;
  dryRun: boolean;
  lines: Line[];
  /** How many of the lines are changes. */
  changes: number;
}

/**
 * Sets what is not as wanted. `onLine` gets each line when it is true. Typed errors: `store-unreachable`, those of
 * `serviceError`, those of the settings, and `foreign-bucket` and `deployed-bucket` before anything is set.
 */
export async function provision(
  storage: StorageOptions,
  signal: AbortSignal,
  options: { adopt?: boolean; dryRun?: boolean; onLine?: (line: Line) => void } = {},
): Promise<Provisioned> {
  const { adopt = false, dryRun = false, onLine } = options;
  const server = await identifyServer(storage);
  requireQueueService(storage, server);
  const services = openServices(storage, server);
  const lines: Line[] = [];
  try {
    const settings = wantedSettings(storage, services);
    await requireOwnBucket(storage, services, settings, adopt);
    for (const { setting, place } of settings) {
      signal.throwIfAborted();
      const line = await settle(setting, dryRun, place);
      lines.push(line);
      onLine?.(line);
    }
  } finally {
    services.close();
  }
  return { server, dryRun, lines, changes: lines.filter(isChange).length };
}

/** Of others' buckets only one is taken that would not be changed, or that a person said to adopt. */
async function requireOwnBucket(
  { bucket, endpoint = "AWS" }: StorageOptions,
  { s3 }: Services,
  settings: readonly WantedSetting[],
  adopt: boolean,
): Promise<void> {
  const request = {
    service: "store",
    operation: "the owner",
    about: `bucket ${bucket}`,
    endpoint,
  } as const;
  const owner = await readBucketOwner(s3, bucket).catch((error: unknown) => {
    throw serviceError(error, request);
  });
  if (owner.kind === "deployment") throw deployedBucket(bucket, owner.stage);
  if (owner.kind !== "others" || adopt) return;
  const changes: Line[] = [];
  for (const { setting, place } of settings) {
    if (place.service !== "store") continue;
    const line = await settle(setting, true, place);
    if (isChange(line)) changes.push(line);
  }
  if (changes.length > 0) throw foreignBucket(bucket, changes);
}

interface WantedSetting {
  setting: Setting;
  place: Place;
}

/** Everything, in the order of its making. */
function wantedSettings(storage: StorageOptions, { s3, sqs, server }: Services): WantedSetting[] {
  const { bucket, name, endpoint = "AWS", queueEndpoint = "AWS" } = storage;
  const inStore = (setting: Setting) => ({ setting, place: { service: "store", endpoint } as const });
  const inQueues = (setting: Setting) => ({
    setting,
    place: { service: "queue", endpoint: queueEndpoint } as const,
  });
  return [
    ...bucketSettings(s3, storage, server).map(inStore),
    ...lifecycleSettings(s3, bucket, server).map(inStore),
    inStore(corsSetting(s3, bucket, server)),
    ...queueSettings(sqs, name).map(inQueues),
    ...(resolveNotify(storage, server).kind === "sqs"
      ? [inQueues(queuePolicySetting(sqs, queueName(name, "shards"), bucket))]
      : []),
    inStore(notificationSetting(s3, sqs, storage, server)),
  ];
}

/** The command; returns its exit status. */
export async function provisionCommand(options: ProvisionOptions, signal: AbortSignal): Promise<number> {
  const { adopt, dryRun, json } = options;
  const storage = storageOptions(options);
  const print = (text: string | null) => {
    if (text !== null) process.stdout.write(`${text}\n`);
  };
  const done = await provision(storage, signal, {
    adopt,
    dryRun,
    onLine: json ? () => {} : (line) => print(lineText(line)),
  });
  const args = storageArguments(storage);
  const again = adopt ? "provision --adopt" : "provision";
  const command = dryRun && done.changes > 0 ? again : "doctor";
  const next = `npm run outerloop -- ${command}${args === "" ? "" : ` ${args}`}`;
  if (json) {
    print(JSON.stringify({ ...done, next }));
    return 0;
  }
  print(summaryText(done.lines, dryRun));
  print(`\nnext: ${next}`);
  return 0;
}
