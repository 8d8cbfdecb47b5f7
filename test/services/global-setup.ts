/**
 * One MinIO and one LocalStack for all tests of the project `services`. Tests that kill start their own.
 *
 * @module
 */
import { performance } from "node:perf_hooks";
import type { TestProject } from "vitest/node";
import { freePort, HOST } from "./free-port.ts";
import { installServices } from "./install.ts";
import { REGION, type Service, startBoth, WEBHOOK_ARN } from "./services.ts";

/** What a test needs to reach a service. */
export interface Reach {
  endpoint: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
}

/** Where MinIO posts the events of buckets that name `arn`. Nobody listens there until a test does, one at a time. */
export interface Webhook {
  port: number;
  url: string;
  token: string;
  arn: string;
}

declare module "vitest" {
  interface ProvidedContext {
    minio: Reach;
    localStack: Reach;
    webhook: Webhook;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const startedAt = performance.now();
  const note = (line: string) => process.stderr.write(`${line}\n`);
  const elapsed = () => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
  await installServices({ onNote: note });
  const installedAfter = elapsed();
  const port = await freePort();
  const webhook = {
    port,
    url: `http://${HOST}:${port}/events`,
    token: "test-events-token",
    arn: WEBHOOK_ARN,
  };
  const { minio, localStack, stop } = await startBoth({ webhook }, {});
  note(
    `services: installed after ${installedAfter}, ready after ${elapsed()}: MinIO at ${minio.endpoint}, LocalStack at ${localStack.endpoint}`,
  );
  project.provide("minio", reach(minio));
  project.provide("localStack", reach(localStack));
  project.provide("webhook", webhook);
  return stop;
}

function reach({ endpoint, accessKeyId, secretAccessKey }: Service): Reach {
  return { endpoint, region: REGION, accessKeyId, secretAccessKey };
}
