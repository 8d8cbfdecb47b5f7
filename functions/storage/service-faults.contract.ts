/**
 * What real services answer to who is not let in or asks for what is not there, and that it comes out as a typed error.
 *
 * @module
 */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { CreateBucketCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { fromTemporaryCredentials } from "@aws-sdk/credential-providers";
import { describe, expect } from "vitest";
import { type Credentials, createS3Client } from "./aws-clients.ts";
import { type ContractOptions, type Property, registerProperties } from "./contract-harness.ts";
import { createS3ObjectStore } from "./s3.ts";
import { createSqsQueue } from "./sqs.ts";
import type { TestService } from "./testing/s3-harness.ts";

const bytes = new TextEncoder().encode("sixteen bytes ok");
const sha256 = createHash("sha256").update(bytes).digest("hex");

/** All fail, with this code. */
async function expectAll(code: string, calls: readonly Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(calls)) {
    expect(outcome).toMatchObject({ status: "rejected", reason: { code } });
  }
}

/** Registers the suite for an S3 service. */
export function describeStoreFaults(name: string, service: TestService, options: ContractOptions = {}): void {
  describe(`store faults: ${name}`, () =>
    registerProperties("store faults", name, options, (property) => register(property, service)));
}

function register(test: Property, service: TestService): void {
  const region = service.region ?? "us-east-1";
  const bucket = `faults-${randomUUID()}`;
  const open = (credentials: Credentials, uploadCredentials = credentials) =>
    createS3ObjectStore({ endpoint: service.endpoint, region, bucket, credentials, uploadCredentials });
  const createBucket = async () => {
    const client = createS3Client({ ...service, region });
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    client.destroy();
  };

  test("a bucket that is missing is a typed error", async () => {
    const store = createS3ObjectStore({ ...service, region, bucket: `missing-${randomUUID()}` });
    const swap = store.compareAndSwap("a", bytes, null);
    await expectAll("no-such-bucket", [
      store.now(),
      store.get("a"),
      store.list(""),
      store.putIfAbsent("a", bytes),
      swap,
    ]);
  });

  test("keys that nobody was given are a typed error, whatever is asked", async () => {
    const store = open({ accessKeyId: "nobody", secretAccessKey: "a secret of nobody" });
    await expectAll("store-credentials", [
      store.now(),
      store.head("a"),
      store.get("a"),
      store.putIfAbsent("a", bytes),
    ]);
  });

  test("a wrong secret is a typed error, whatever is asked", async () => {
    const store = open({ ...service.credentials, secretAccessKey: "not the secret" });
    await expectAll("store-credentials", [
      store.now(),
      store.head("a"),
      store.get("a"),
      store.putIfAbsent("a", bytes),
    ]);
  });

  test("an object encrypted with its writer's own key is unreadable, whatever is asked of it", async () => {
    const elsewhere = `unreadable-${randomUUID()}`;
    const client = createS3Client({ ...service, region });
    await client.send(new CreateBucketCommand({ Bucket: elsewhere }));
    const key = randomBytes(32);
    const command = new PutObjectCommand({
      Bucket: elsewhere,
      Key: "a",
      Body: bytes,
      SSECustomerAlgorithm: "AES256",
      SSECustomerKey: key.toString("base64"),
      SSECustomerKeyMD5: createHash("md5").update(key).digest("base64"),
    });
    await client.send(command).finally(() => client.destroy());
    const store = createS3ObjectStore({ ...service, region, bucket: elsewhere });
    const put = store.putIfAbsent("a", bytes);
    await expectAll("object-unreadable", [store.head("a"), store.get("a"), store.range("a", 0, 1), put]);
  });

  test("a role that may upload signs uploads, and is denied everything else", async () => {
    await createBucket();
    const allowed = { Effect: "Allow", Action: "s3:PutObject", Resource: `arn:aws:s3:::${bucket}/uploads/*` };
    const uploader = fromTemporaryCredentials({
      masterCredentials: service.credentials,
      params: {
        RoleArn: "arn:aws:iam::000000000000:role/uploads",
        RoleSessionName: "contract",
        DurationSeconds: 900,
        Policy: JSON.stringify({ Version: "2012-10-17", Statement: [allowed] }),
      },
      clientConfig: { endpoint: service.endpoint, region },
    });
    const store = open(service.credentials, uploader);
    const upload = async (key: string) => {
      const expiresAtMs = (await store.now()) + 60_000;
      const { url, headers } = await store.presignPut(key, { sizeBytes: 16, sha256, expiresAtMs });
      const { "content-length": _, ...rest } = headers;
      const answer = await fetch(url, { method: "PUT", headers: rest, body: bytes });
      await answer.arrayBuffer();
      return answer.status;
    };
    expect(await upload("uploads/a")).toBe(200);
    expect(await upload("public/a")).toBe(403);
    expect((await store.get("uploads/a"))?.bytes).toEqual(bytes);
    expect(await store.head("public/a")).toBeNull();
    const asUploader = open(uploader);
    await expectAll("store-denied", [
      asUploader.get("uploads/a"),
      asUploader.list(""),
      asUploader.delete("uploads/a"),
    ]);
  });
}

/** Registers the suite for an SQS service. */
export function describeQueueFaults(name: string, service: TestService): void {
  describe(`queue faults: ${name}`, () =>
    registerProperties("queue faults", name, {}, (test) => {
      test("a queue that is missing is a typed error, whatever is asked", async () => {
        const region = service.region ?? "us-east-1";
        const queueUrl = `${service.endpoint}/queue/${region}/000000000000/missing-${randomUUID()}`;
        const queue = createSqsQueue({ ...service, region, queueUrl, deadLetterUrl: `${queueUrl}-dead` });
        const message = { id: "m", body: "{}", lease: "handle", receives: 1 };
        await expectAll("no-such-queue", [
          queue.send("{}"),
          queue.receive({ leaseSeconds: 30 }),
          queue.extend(message, 30),
          queue.ack(message),
          queue.bury(message, "why"),
          queue.deadLetters(),
        ]);
      });
    }));
}
