/**
 * `outerloop provision` at real services: it makes what is missing, says so, keeps what is not its own, and finishes what
 * a run that broke off has left.
 */
import {
  CreateBucketCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketNotificationConfigurationCommand,
  ListBucketsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketNotificationConfigurationCommand,
  PutBucketTaggingCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { SetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import { afterEach, expect, inject, it, vi } from "vitest";
import { createS3Client, createSqsClient } from "../../functions/storage/aws-clients.ts";
import { lineText } from "../../workers/operator/diff.ts";
import { provision } from "../../workers/operator/provision.ts";
import { findQueue, requireQueue } from "../../workers/operator/queues.ts";
import {
  type StorageInput,
  type StorageOptions,
  storageOptions,
} from "../../workers/operator/storage-options.ts";
import type { Reach } from "./global-setup.ts";

const minio = inject("minio");
const localStack = inject("localStack");
const { signal } = new AbortController();

let number = 0;

/** A bucket and queues of this test alone, and the credentials where the command looks for them. */
function deployment(store: Reach, input: StorageInput = {}): StorageOptions {
  vi.stubEnv("AWS_ACCESS_KEY_ID", store.accessKeyId);
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", store.secretAccessKey);
  return storageOptions({
    endpoint: store.endpoint,
    queueEndpoint: localStack.endpoint,
    bucket: `provision-${process.pid}-${number++}`,
    region: store.region,
    ...input,
  });
}

const clients: { destroy(): void }[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
  vi.unstubAllEnvs();
});

function s3({ endpoint, region }: StorageOptions) {
  const client = createS3Client({ endpoint, region });
  clients.push(client);
  return client;
}

function sqs({ queueEndpoint, region }: StorageOptions) {
  const client = createSqsClient({ endpoint: queueEndpoint, region });
  clients.push(client);
  return client;
}

/** The diff, without the lines of what a server lacks. */
async function diff(storage: StorageOptions, options: { dryRun?: boolean } = {}): Promise<string[]> {
  const { lines } = await provision(storage, signal, options);
  return lines.flatMap((line) => (line.sign === "not-offered" ? [] : (lineText(line) ?? [])));
}

/** What is new on any stack. */
const queueLines = (name: string) => [
  `+ queue ${name}-ticks-dead: kept 14 days`,
  `+ queue ${name}-ticks: visibility 180 s, long poll 20 s, dead letters to ${name}-ticks-dead after 5 receives`,
  `+ queue ${name}-shards-dead: kept 14 days`,
  `+ queue ${name}-shards: visibility 900 s, long poll 20 s, dead letters to ${name}-shards-dead after 5 receives`,
  `+ queue ${name}-jobs-dead: kept 14 days`,
  `+ queue ${name}-jobs: visibility 60 s, long poll 20 s, dead letters to ${name}-jobs-dead after 5 receives`,
];

it("a bucket on MinIO and queues on LocalStack: said, made, and then as wanted", async () => {
  const storage = deployment(minio);
  const { bucket, name } = storage;
  const all = [
    `+ bucket ${bucket}: created`,
    "+ lifecycle: uploads/ 14 days (was none)",
    ...queueLines(name),
    "+ notification of uploads/*.slc: to webhook OUTERLOOP",
  ];
  expect(await diff(storage, { dryRun: true })).toEqual(all);
  const { Buckets } = await s3(storage).send(new ListBucketsCommand({}));
  expect(Buckets?.map(({ Name }) => Name)).not.toContain(bucket);
  expect(await findQueue(sqs(storage), `${name}-ticks`)).toBeNull();

  expect(await diff(storage)).toEqual(all);
  expect(await diff(storage)).toEqual([]);
  expect(await diff(storage, { dryRun: true })).toEqual([]);

  const { lines } = await provision(storage, signal);
  expect(lines.filter(({ sign }) => sign === "not-offered").map(({ name: what }) => what)).toEqual([
    "ownership",
    "public access",
    "encryption",
    "lifecycle of incomplete uploads",
    "cors",
  ]);
});

it("everything on LocalStack, notifications straight to the queue", async () => {
  const storage = deployment(localStack);
  const { bucket, name } = storage;
  expect(await diff(storage)).toEqual([
    `+ bucket ${bucket}: created`,
    "+ lifecycle: uploads/ 14 days (was none), incomplete uploads 1 day (was none)",
    "+ cors: pages of any origin may read with a presigned URL",
    ...queueLines(name),
    `+ policy of queue ${name}-shards: bucket ${bucket} may send to it`,
    `+ notification of uploads/*.slc: to queue ${name}-shards`,
  ]);
  expect(await diff(storage)).toEqual([]);
});

it("what drifted is set again, and what others set is kept", async () => {
  const storage = deployment(localStack);
  const { bucket, name } = storage;
  await provision(storage, signal);
  const [store, queues] = [s3(storage), sqs(storage)];
  const shards = await requireQueue(queues, `${name}-shards`);
  const jobs = await requireQueue(queues, `${name}-jobs`);
  const theirStatement = {
    Sid: "theirs",
    Effect: "Deny",
    Principal: "*",
    Action: "sqs:PurgeQueue",
    Resource: shards.arn,
  };
  await queues.send(
    new SetQueueAttributesCommand({
      QueueUrl: shards.url,
      Attributes: {
        VisibilityTimeout: "30",
        Policy: JSON.stringify({ Version: "2012-10-17", Statement: [theirStatement] }),
      },
    }),
  );
  await store.send(
    new PutBucketLifecycleConfigurationCommand({
      Bucket: bucket,
      LifecycleConfiguration: {
        Rules: [
          { ID: "theirs", Status: "Enabled", Filter: { Prefix: "logs/" }, Expiration: { Days: 3 } },
          {
            ID: "outerloop-uploads",
            Status: "Enabled",
            Filter: { Prefix: "uploads/" },
            Expiration: { Days: 30 },
          },
        ],
      },
    }),
  );
  await store.send(
    new PutBucketNotificationConfigurationCommand({
      Bucket: bucket,
      NotificationConfiguration: {
        QueueConfigurations: [{ Id: "theirs", QueueArn: jobs.arn, Events: ["s3:ObjectRemoved:*"] }],
      },
    }),
  );

  expect(await diff(storage)).toEqual([
    "~ lifecycle: uploads/ 14 days (was 30 days), incomplete uploads 1 day (was none)",
    `~ queue ${name}-shards: visibility 900 s (was 30 s)`,
    `+ policy of queue ${name}-shards: bucket ${bucket} may send to it`,
    `+ notification of uploads/*.slc: to queue ${name}-shards`,
  ]);
  expect(await diff(storage)).toEqual([]);

  const { Rules } = await store.send(new GetBucketLifecycleConfigurationCommand({ Bucket: bucket }));
  expect(Rules?.map(({ ID }) => ID)).toEqual(["theirs", "outerloop-uploads", "outerloop-incomplete"]);
  const { QueueConfigurations } = await store.send(
    new GetBucketNotificationConfigurationCommand({ Bucket: bucket }),
  );
  expect(QueueConfigurations?.map(({ Id }) => Id)).toEqual(["theirs", "outerloop-uploads"]);
  const policy = (await requireQueue(queues, `${name}-shards`)).attributes.Policy ?? "";
  expect(JSON.parse(policy).Statement).toMatchObject([theirStatement, { Sid: "outerloop-uploads" }]);

  // Told to tell nobody, it takes its own rule away and no other.
  expect(await diff({ ...storage, notify: "none" })).toEqual([
    `- notification of uploads/*.slc: ${shards.arn}`,
  ]);
  const left = await store.send(new GetBucketNotificationConfigurationCommand({ Bucket: bucket }));
  expect(left.QueueConfigurations?.map(({ Id }) => Id)).toEqual(["theirs"]);
});

it("what broke off half-way is finished by the next run", async () => {
  const storage = deployment(minio);
  const { name } = storage;
  const unknown = { ...storage, notify: "webhook:NOBODY" } as const;
  await expect(provision(unknown, signal)).rejects.toMatchObject({
    code: "no-such-webhook",
    message: expect.stringMatching(/MINIO_NOTIFY_WEBHOOK_ENDPOINT_NOBODY/),
  });
  expect(await findQueue(sqs(storage), `${name}-jobs`)).not.toBeNull();
  expect(await diff(storage)).toEqual(["+ notification of uploads/*.slc: to webhook OUTERLOOP"]);
});

it.each([
  ["MinIO", minio],
  ["LocalStack", localStack],
])("a bucket at %s in which others keep objects is left alone, unless it is to be adopted", async (_, at) => {
  const storage = deployment(at);
  const { bucket: Bucket } = storage;
  const store = s3(storage);
  await store.send(new CreateBucketCommand({ Bucket }));
  await store.send(new PutObjectCommand({ Bucket, Key: "uploads/holiday.jpg", Body: "a picture" }));
  await store.send(new PutObjectCommand({ Bucket, Key: "public/site/index.html", Body: "a page" }));
  for (const options of [{}, { dryRun: true }]) {
    await expect(provision(storage, signal, options)).rejects.toMatchObject({
      code: "foreign-bucket",
      message: expect.stringMatching(/lifecycle: uploads\/ 14 days.*--adopt/),
    });
  }
  await expect(store.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))).rejects.toThrow();
  expect(await findQueue(sqs(storage), `${storage.name}-ticks`)).toBeNull();

  expect((await provision(storage, signal, { adopt: true })).changes).toBeGreaterThan(0);
  // Adopted once, it is as wanted: nobody has anything to lose any more.
  expect(await diff(storage)).toEqual([]);
});

it("a bucket with a run is set right again, whatever lies beside it", async () => {
  const storage = deployment(minio);
  const { bucket: Bucket } = storage;
  const store = s3(storage);
  await store.send(new CreateBucketCommand({ Bucket }));
  const run = `run-${"0".repeat(32)}`;
  await store.send(new PutObjectCommand({ Bucket, Key: `public/${run}/genesis.json`, Body: "{}" }));
  await store.send(new PutObjectCommand({ Bucket, Key: "another", Body: "thing" }));
  expect(await diff(storage)).toContain("+ lifecycle: uploads/ 14 days (was none)");
});

it.each([
  ["MinIO", minio],
  ["LocalStack", localStack],
])("a bucket at %s that a deployment made is the deployment's, to be adopted or not", async (_, at) => {
  const storage = deployment(at);
  const { bucket: Bucket } = storage;
  const store = s3(storage);
  await store.send(new CreateBucketCommand({ Bucket }));
  const TagSet = [
    { Key: "sst:app", Value: "outerloop" },
    { Key: "sst:stage", Value: "first" },
  ];
  await store.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet } }));
  await expect(provision(storage, signal, { adopt: true })).rejects.toMatchObject({
    code: "deployed-bucket",
    message: expect.stringContaining("npx sst deploy --stage first"),
  });
  await expect(store.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))).rejects.toThrow();
});

it.each([
  ["credentials that are wrong", { secretAccessKey: "wrong-secret" }, {}, "store-credentials"],
  ["a store that is not there", { endpoint: "http://127.0.0.1:1" }, {}, "store-unreachable"],
  ["MinIO without queues beside it", {}, { queueEndpoint: minio.endpoint }, "invalid-option"],
])("%s: a typed error before anything is made", async (_, reach, input, code) => {
  const storage = deployment({ ...minio, ...reach }, input);
  await expect(provision(storage, signal)).rejects.toMatchObject({ code });
  const { Buckets } = await s3(deployment(minio)).send(new ListBucketsCommand({}));
  expect(Buckets?.map(({ Name }) => Name) ?? []).not.toContain(storage.bucket);
});
