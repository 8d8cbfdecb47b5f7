/**
 * `outerloop doctor` at real services: what it finds on each stack, what is wrong on purpose, and that it leaves nothing.
 */
import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { afterEach, expect, inject, it, vi } from "vitest";
import { createS3Client } from "../../functions/storage/aws-clients.ts";
import { openSqsQueues } from "../../functions/storage/sqs-queues.ts";
import { type Stack, startStack } from "../../workers/local/stack.ts";
import { openCloudBackend } from "../../workers/local/storage.ts";
import { accessChecks } from "../../workers/operator/checks/access-checks.ts";
import { coordinatorChecks } from "../../workers/operator/checks/coordinator-checks.ts";
import { eventCheck } from "../../workers/operator/checks/event-check.ts";
import { queueChecks } from "../../workers/operator/checks/setting-checks.ts";
import { type ExamineOptions, examine } from "../../workers/operator/examine.ts";
import { provision } from "../../workers/operator/provision.ts";
import {
  type StorageInput,
  type StorageOptions,
  storageOptions,
} from "../../workers/operator/storage-options.ts";
import { freePort } from "./free-port.ts";
import type { Reach } from "./global-setup.ts";
import { REGION, type Service, startMinio } from "./services.ts";

const minio = inject("minio");
const localStack = inject("localStack");
const { signal } = new AbortController();
const TOKEN = "doctor-test-token";

let number = 0;
let cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const work of cleanUp.reverse()) await work();
  cleanUp = [];
  vi.unstubAllEnvs();
});

function deployment(
  store: Pick<Reach, "endpoint" | "accessKeyId" | "secretAccessKey">,
  input: StorageInput = {},
): StorageOptions {
  vi.stubEnv("AWS_ACCESS_KEY_ID", store.accessKeyId);
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", store.secretAccessKey);
  return storageOptions({
    endpoint: store.endpoint,
    queueEndpoint: localStack.endpoint,
    bucket: `doctor-${process.pid}-${number++}`,
    region: REGION,
    ...input,
  });
}

/** For what is about events alone: the rest was asked by another test. */
const aboutEvents = [...accessChecks, ...queueChecks, eventCheck];

/** Everything that is not ok, by name, and what was asked at all. */
async function findings(storage: StorageOptions, options: ExamineOptions = {}) {
  const results = await examine(storage, signal, { eventSeconds: 3, ...options });
  const details = Object.fromEntries(results.map(({ name, detail }) => [name, detail]));
  const notOk = results
    .filter(({ status, blockedBy }) => status !== "ok" && blockedBy === undefined)
    .map(({ name, status }) => `${status}: ${name}`);
  return { details, notOk };
}

async function keysIn(storage: StorageOptions): Promise<(string | undefined)[]> {
  const client = createS3Client({ endpoint: storage.endpoint, region: REGION });
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: storage.bucket }));
  client.destroy();
  return Contents.map(({ Key }) => Key);
}

it("MinIO and LocalStack: every promise is kept, each refusal with its status", async () => {
  const storage = deployment(minio);
  await provision(storage, signal);
  const { details, notOk } = await findings(storage);
  // The route of the webhook is in the coordinator, which does not run here.
  expect(notOk).toEqual(["warning: events arrive"]);
  expect(details["events arrive"]).toMatch(/its route is in the coordinator, which does not seem to run/);
  expect(details).toMatchObject({
    "create once": "the second write got 412",
    "create once, raced": "8 at a time, 1 won",
    "compare and swap": "a stale etag got 412",
    "compare and swap, raced": "8 at a time, 1 won",
    "swap of a missing object": "404",
    checksum: "bytes with another SHA-256 got 400 XAmzContentChecksumMismatch",
    "ticket, used as issued": "200",
    "ticket, second use": "refused: 412 PreconditionFailed",
    "ticket, other content": "refused: 400 XAmzContentChecksumMismatch",
    "ticket, other SHA-256": "refused: 403 SignatureDoesNotMatch",
    "ticket, longer content": "refused: 403 SignatureDoesNotMatch",
    "ticket, other key": "refused: 403 SignatureDoesNotMatch",
    "ticket, condition dropped": "refused: 400 AccessDenied",
    "ticket, checksum dropped": "refused: 400 AccessDenied",
    "ticket, expired": "refused: 403 AccessDenied",
    "anonymous read": "refused: 403 AccessDenied",
    "anonymous read of uploads": "refused: 403 AccessDenied",
    "anonymous list": "refused: 403 AccessDenied",
    "anonymous write": "refused: 403 AccessDenied",
    "changed download URL": "refused: 403 SignatureDoesNotMatch",
  });
  expect(await keysIn(storage)).toEqual([]);
});

it("LocalStack alone: events arrive, and it lets everybody in", async () => {
  const storage = deployment(localStack);
  await provision(storage, signal);
  const { details, notOk } = await findings(storage);
  expect(notOk).toEqual([
    "failed: anonymous read",
    "failed: anonymous read of uploads",
    "failed: anonymous list",
    "failed: anonymous write",
  ]);
  expect(details["events arrive"]).toMatch(/^an upload was announced after \d+ ms$/);
  expect(await keysIn(storage)).toEqual([]);
});

it("messages of others are given back, received once more than before", async () => {
  const storage = deployment(localStack);
  await provision(storage, signal);
  const { shards } = await openSqsQueues({
    region: REGION,
    endpoint: storage.queueEndpoint,
    name: storage.name,
  });
  for (const letter of ["a", "b", "c"]) await shards.send(letter);
  const { details } = await findings(storage, { checks: aboutEvents });
  expect(details["events arrive"]).toMatch(/^an upload was announced/);
  const back = new Map<string, number>();
  while (back.size < 3) {
    for (const message of await shards.receive({ max: 10, leaseSeconds: 60, waitSeconds: 5 })) {
      if (message.body.length === 1) back.set(message.body, message.receives);
      await shards.ack(message);
    }
  }
  expect([...back.keys()].sort()).toEqual(["a", "b", "c"]);
  for (const receives of back.values()) expect(receives).toBeLessThanOrEqual(2);
});

/** A MinIO that posts its events to a coordinator, and that coordinator. */
async function webhookStack(authority?: string): Promise<{ storage: StorageOptions; stack: Stack }> {
  const port = await freePort();
  const service: Service = await startMinio({
    webhook: { url: `http://127.0.0.1:${port}/events`, token: TOKEN },
  });
  cleanUp.push(() => service.stop());
  const storage = deployment(service);
  await provision(storage, signal);
  const nobody = async () => null;
  const stack = await startStack({
    backend: await openCloudBackend({ kind: "s3", ...storage }),
    secrets: { coordinator: nobody, api: nobody },
    host: "127.0.0.1",
    port,
    authority,
    notificationToken: TOKEN,
    log: () => {},
  });
  cleanUp.push(() => stack.close());
  return { storage, stack };
}

it("with a coordinator behind MinIO's webhook all is well, although it reads the same queue", async () => {
  const { storage, stack } = await webhookStack();
  const checks = [...aboutEvents, ...coordinatorChecks];
  const { details, notOk } = await findings(storage, { coordinator: stack.url, eventSeconds: 60, checks });
  expect(notOk).toEqual([]);
  expect(details["events arrive"]).toMatch(/^an upload was announced after \d+ ms$/);
  expect(details["coordinator answers"]).toBe("it serves no run yet");
  expect(details.authority).toBe(`signatures for ${new URL(stack.url).host} are accepted`);
  expect(details.page).toBe(`${stack.url}/`);
});

it("a coordinator that expects another name is found out", async () => {
  const { storage, stack } = await webhookStack("runs.example.org");
  const { details, notOk } = await findings(storage, { coordinator: stack.url, checks: coordinatorChecks });
  expect(notOk).toContain("failed: authority");
  expect(details.authority).toMatch(/the coordinator expects another host in them/);
});

it("wrong credentials and a missing bucket are named, and the rest is not asked", async () => {
  const wrong = await findings(deployment({ ...minio, secretAccessKey: "wrong-secret" }));
  expect(wrong.notOk).toEqual([
    "failed: credentials",
    "failed: queue ticks",
    "failed: queue shards",
    "failed: queue jobs",
  ]);
  expect(wrong.details.credentials).toMatch(/403 SignatureDoesNotMatch.*AWS_SECRET_ACCESS_KEY/);
  expect(wrong.details["create once"]).toBe('needs "bucket"');

  const storage = deployment(minio);
  const missing = await findings(storage);
  expect(missing.notOk[0]).toBe("failed: bucket");
  expect(missing.details.bucket).toMatch(/404 NoSuchBucket.*outerloop provision/);
  expect(missing.details["queue shards"]).toBe(
    `no queue ${storage.name}-shards, no queue ${storage.name}-shards-dead`,
  );
});

it("a bucket that tells nobody, and a rule for another queue, are told apart", async () => {
  const silent = deployment(localStack, { notify: "none" });
  await provision(silent, signal);
  const wanted = await findings(silent, { checks: aboutEvents });
  expect(wanted.notOk).toEqual([]);
  expect(wanted.details["events arrive"]).toMatch(/tells nobody of uploads, as wanted/);
  const { details, notOk } = await findings({ ...silent, notify: "auto" }, { checks: aboutEvents });
  expect(notOk).toContain("warning: events arrive");
  expect(details["events arrive"]).toMatch(/only the sweep finds them/);

  await provision({ ...silent, notify: "sqs" }, signal);
  const other = { ...silent, name: `${silent.name}-other` };
  await provision({ ...other, notify: "none" }, signal);
  await provision({ ...silent, notify: "sqs" }, signal);
  const astray = await findings({ ...other, notify: "auto" }, { checks: aboutEvents });
  expect(astray.notOk).toContain("failed: events arrive");
  expect(astray.details["events arrive"]).toMatch(
    new RegExp(`announced to arn:.*:${silent.name}-shards, not to arn:.*:${other.name}-shards`),
  );
});
