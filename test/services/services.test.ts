/**
 * The services that the other tests stand on: what a kill takes and what it leaves, whose keys fit where, and that
 * nothing is left behind.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createConnection } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { CreateQueueCommand, GetQueueUrlCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { afterEach, expect, inject, it } from "vitest";
import { freePort } from "./free-port.ts";
import type { Reach } from "./global-setup.ts";
import { LOCALSTACK_VERSION, MINIO_RELEASE } from "./install.ts";
import {
  localStackSettings,
  minioSettings,
  REGION,
  type Service,
  startLocalStack,
  startMinio,
  WEBHOOK_ARN,
} from "./services.ts";

type Keys = Pick<Reach, "accessKeyId" | "secretAccessKey">;

const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** Stops with the test. */
function owned(service: Service): Service {
  cleanUps.push(() => service.stop());
  return service;
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "outerloop-services-test-"));
  cleanUps.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const s3 = ({ endpoint, accessKeyId, secretAccessKey }: Keys & { endpoint: string }) =>
  new S3Client({
    endpoint,
    region: REGION,
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
    requestChecksumCalculation: "WHEN_REQUIRED",
  });

const sqs = ({ endpoint, accessKeyId, secretAccessKey }: Keys & { endpoint: string }) =>
  new SQSClient({ endpoint, region: REGION, credentials: { accessKeyId, secretAccessKey } });

const object = { Bucket: "kept", Key: "object" };

it("MinIO keeps an acknowledged object over kill -9 and a restart at the same address", async () => {
  const minio = owned(await startMinio());
  const client = s3(minio);
  await client.send(new CreateBucketCommand({ Bucket: "kept" }));
  await client.send(new PutObjectCommand({ ...object, Body: "acknowledged" }));
  await minio.kill("SIGKILL");
  await expect(fetch(minio.endpoint)).rejects.toThrow();
  await minio.restart();
  const { Body } = await client.send(new GetObjectCommand(object));
  expect(await Body?.transformToString()).toBe("acknowledged");
});

it("LocalStack forgets its queues over kill -9 and takes them anew at the same address", async () => {
  const localStack = owned(await startLocalStack());
  const client = sqs(localStack);
  const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: "lost" }));
  await localStack.kill("SIGKILL");
  await localStack.restart();
  await expect(client.send(new GetQueueUrlCommand({ QueueName: "lost" }))).rejects.toMatchObject({
    name: "QueueDoesNotExist",
  });
  const again = await client.send(new CreateQueueCommand({ QueueName: "lost" }));
  expect(again.QueueUrl).toBe(QueueUrl);
  expect(QueueUrl).toMatch(`${localStack.endpoint}/`);
});

it("instances side by side share nothing, and one goes without the other", async () => {
  const [oneMinio, minio, oneLocalStack, localStack] = await Promise.all([
    startMinio().then(owned),
    startMinio().then(owned),
    startLocalStack().then(owned),
    startLocalStack().then(owned),
  ]);
  for (const one of [oneMinio, oneLocalStack])
    await s3(one).send(new CreateBucketCommand({ Bucket: "kept" }));
  for (const other of [minio, localStack]) {
    expect((await s3(other).send(new ListBucketsCommand({}))).Buckets ?? []).toEqual([]);
    await s3(other).send(new CreateBucketCommand({ Bucket: "kept" }));
  }
  for (const one of [oneMinio, oneLocalStack]) {
    await s3(one).send(new PutObjectCommand({ ...object, Body: "deleted" }));
    await s3(one).send(new DeleteObjectCommand(object));
    await s3(one).send(new DeleteBucketCommand({ Bucket: "kept" }));
    await one.stop();
  }
  for (const other of [minio, localStack]) {
    // Large enough that LocalStack puts it on disk, where the two could meet.
    await s3(other).send(new PutObjectCommand({ ...object, Body: Buffer.alloc(4 << 20) }));
    const { ContentLength } = await s3(other).send(new HeadObjectCommand(object));
    expect(ContentLength).toBe(4 << 20);
  }
});

it("MinIO refuses a wrong secret", async () => {
  const minio = inject("minio");
  const wrong = s3({ ...minio, secretAccessKey: "another-secret" });
  await expect(wrong.send(new ListBucketsCommand({}))).rejects.toMatchObject({
    name: "SignatureDoesNotMatch",
  });
});

/** Status of a PUT to a presigned URL. */
async function presignedPut(reach: Keys & { endpoint: string }): Promise<number> {
  const put = new PutObjectCommand({ Bucket: "keys", Key: "object" });
  const url = await getSignedUrl(s3(reach), put, { expiresIn: 60 });
  return (await fetch(url, { method: "PUT", body: "content" })).status;
}

it("LocalStack signs buckets with its own keys alone, and takes MinIO's for queues", async () => {
  const { accessKeyId, secretAccessKey } = inject("minio");
  const localStack = inject("localStack");
  const minioKeys = { endpoint: localStack.endpoint, accessKeyId, secretAccessKey };
  await s3(localStack).send(new CreateBucketCommand({ Bucket: "keys" }));
  expect(await presignedPut(localStack)).toBe(200);
  expect(await presignedPut(minioKeys)).toBe(403);
  expect(await presignedPut({ ...localStack, accessKeyId })).toBe(200);
  const { QueueUrl } = await sqs(minioKeys).send(new CreateQueueCommand({ QueueName: "keys" }));
  const sent = await sqs(minioKeys).send(new SendMessageCommand({ QueueUrl, MessageBody: "tick" }));
  expect(sent.MessageId).toEqual(expect.any(String));
});

it("MinIO tells its webhook of an object at once, and says who it is", async () => {
  const port = await freePort();
  const webhook = { url: `http://127.0.0.1:${port}/events`, token: "a-token-of-this-test" };
  const minio = owned(await startMinio({ webhook }));
  const client = s3(minio);
  await client.send(new CreateBucketCommand({ Bucket: "events" }));
  const QueueConfigurations = [{ QueueArn: WEBHOOK_ARN, Events: ["s3:ObjectCreated:*" as const] }];
  await client.send(
    new PutBucketNotificationConfigurationCommand({
      Bucket: "events",
      NotificationConfiguration: { QueueConfigurations },
    }),
  );
  const arrived = Promise.withResolvers<{ authorization: string | undefined; body: string }>();
  const listener = createServer(async (request, response) => {
    const { authorization } = request.headers;
    const body = await text(request);
    response.end();
    if (body !== "") arrived.resolve({ authorization, body });
  });
  listener.listen(port, "127.0.0.1");
  await once(listener, "listening");
  cleanUps.push(
    async () => void listener.close(),
    async () => listener.closeAllConnections(),
  );
  await client.send(new PutObjectCommand({ Bucket: "events", Key: "uploads/a b", Body: "content" }));
  const { authorization, body } = await arrived.promise;
  expect(authorization).toBe(`Bearer ${webhook.token}`);
  expect(JSON.parse(body)).toMatchObject({
    Key: "events/uploads/a b",
    Records: [{ eventSource: "minio:s3" }],
  });
});

const answers = (port: number, host = "127.0.0.1") =>
  new Promise<boolean>((resolve) => {
    const socket = createConnection(port, host, () => socket.destroy() && resolve(true));
    socket.once("error", () => resolve(false));
  });

it("both listen to this machine alone", async () => {
  const others = Object.values(networkInterfaces())
    .flat()
    .filter((one) => one?.internal === false && one.family === "IPv4");
  for (const { endpoint } of [inject("minio"), inject("localStack")]) {
    const port = Number(new URL(endpoint).port);
    expect(await answers(port)).toBe(true);
    for (const other of others) expect(await answers(port, other?.address), endpoint).toBe(false);
  }
});

it("a server ends with the process that started it, even by kill -9", async () => {
  const folder = await temporaryFolder();
  const script = join(folder, "parent.ts");
  const helper = JSON.stringify(new URL("./services.ts", import.meta.url).href);
  await writeFile(
    script,
    `const { startMinio } = await import(${helper});
     console.log((await startMinio({ folder: ${JSON.stringify(join(folder, "minio"))} })).port);`,
  );
  const parent = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(createInterface(parent.stdout), "line");
  const port = Number(line);
  expect(await answers(port)).toBe(true);
  parent.kill("SIGKILL");
  for (let asked = 0; await answers(port); asked++) {
    if (asked > 600) throw new Error(`MinIO still listens on ${port}`);
    await sleep(100);
  }
});

it("a server that dies by itself says so", async () => {
  const minio = owned(await startMinio());
  const { stdout } = spawn("pgrep", ["-f", `minio server ${minio.folder}/data`]);
  process.kill(Number(await text(stdout)), "SIGKILL");
  expect(await minio.died).toMatchObject({
    code: "server-died",
    message: /^MinIO ended \(SIGKILL\) by itself/,
  });
});

it("a port that is taken is a typed error", async () => {
  for (const [start, { endpoint }] of [
    [startMinio, inject("minio")],
    [startLocalStack, inject("localStack")],
  ] as const) {
    const port = Number(new URL(endpoint).port);
    await expect(start({ port })).rejects.toMatchObject({ code: "port-taken", details: { port } });
  }
});

it("a server that does not start is quoted", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "data"), "a file where MinIO wants a folder");
  const failure = startMinio({ folder });
  await expect(failure).rejects.toMatchObject({ code: "server-not-ready" });
  await expect(failure).rejects.toThrow(/^MinIO ended \(exit 1\).*Drives are not directories/s);
});

it("compose.yaml starts the same MinIO and LocalStack with the same settings", async () => {
  const compose = await readFile(fileURLToPath(new URL("../../compose.yaml", import.meta.url)), "utf8");
  expect(compose).toContain(`image: minio/minio:${MINIO_RELEASE}`);
  // The image is one minor version on: it brings the Python that 4.14 wants.
  expect(LOCALSTACK_VERSION).toMatch(/^4\.13\./);
  expect(compose).toContain("image: localstack/localstack:4.14.0");

  const webhook = { url: "http://host.docker.internal:4650/events", token: "local-events-token" };
  const settings = { ...minioSettings({ webhook }), ...localStackSettings({ port: 4566 }) };
  // The image serves its page.
  delete settings.MINIO_BROWSER;
  for (const [name, value] of Object.entries(settings)) {
    const inCompose = new RegExp(`^ {6}${name}: "?(?:\\$\\{\\w+:-)?(.*?)\\}?"?$`, "m").exec(compose)?.[1];
    expect(inCompose, name).toBe(value);
  }
});
