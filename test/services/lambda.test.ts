/**
 * A round through the four functions as they are deployed, with a bucket on MinIO and queues on LocalStack. What calls
 * them in the cloud stands in: a listener for the HTTP API, pollers for the event source mappings, a timer.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, inject, it, vi } from "vitest";
import { createApiClient } from "../../functions/api/client.ts";
import { openRun } from "../../functions/rounds/run-context.ts";
import { readStatus } from "../../functions/rounds/status.ts";
import { createFileSecretStore } from "../../functions/secrets/file-secret-store.ts";
import { createSqsClient } from "../../functions/storage/aws-clients.ts";
import { NOTIFICATIONS_PATH } from "../../functions/storage/notification-routes.ts";
import { createS3ObjectStore } from "../../functions/storage/s3.ts";
import { openSqsQueues, QUEUE_KINDS } from "../../functions/storage/sqs-queues.ts";
import {
  createInstances,
  type Instances,
  listen,
  mapQueue,
} from "../../functions/triggers/lambda/testing/event-sources.ts";
import {
  bundleFunction,
  type LogLine,
  startLambda,
} from "../../functions/triggers/lambda/testing/lambda-process.ts";
import { entries, type FunctionName } from "../../infra/bundle.ts";
import { loadCodec } from "../../native/codec.ts";
import { derivedSeed, keys, type SigningKey, signingKey, toHex } from "../../schemas/index.ts";
import { runEvaluator } from "../../workers/evaluator/evaluator.ts";
import { openModel } from "../../workers/evaluator/open-model.ts";
import { activateRun, chainLength, createRun } from "../../workers/local/create-run.ts";
import { mobyDick } from "../../workers/local/quick-start.ts";
import { provision } from "../../workers/operator/provision.ts";
import { requireQueue } from "../../workers/operator/queues.ts";
import { storageOptions } from "../../workers/operator/storage-options.ts";
import { createInnerLoop } from "../../workers/peer/inner-loop.ts";
import { runPeer } from "../../workers/peer/peer.ts";
import { openPeerStateStore } from "../../workers/peer/peer-state.ts";
import { loadTokens } from "../../workers/replica/tokens.ts";
import { tinyConfig } from "../support/tiny-run.ts";
import { freePort } from "./free-port.ts";
import { startMinio } from "./services.ts";

const TOKEN = "lambda-events-token";
const names = Object.keys(entries) as FunctionName[];
const seedOf = (name: string) => derivedSeed("functions on services", name);
const keyOf = (name: string) => signingKey(seedOf(name));

let folder: string;
let cleanUp: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "outerloop-lambda-"));
  cleanUp = [() => rm(folder, { recursive: true, force: true })];
});
afterEach(async () => {
  for (const work of cleanUp.reverse()) await work();
  vi.unstubAllEnvs();
});

it("a round through the four functions as they are deployed", async () => {
  // Bucket, queues and a run, as an operator makes them.
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const minio = await startMinio({ webhook: { url: `${origin}${NOTIFICATIONS_PATH}`, token: TOKEN } });
  cleanUp.push(minio.stop);
  const localStack = inject("localStack");
  vi.stubEnv("AWS_ACCESS_KEY_ID", minio.accessKeyId);
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", minio.secretAccessKey);
  const storage = storageOptions({
    endpoint: minio.endpoint,
    queueEndpoint: localStack.endpoint,
    bucket: `lambda-${process.pid}`,
    region: localStack.region,
  });
  const { bucket, name, region } = storage;
  await provision(storage, new AbortController().signal);
  const store = createS3ObjectStore({ bucket, region, endpoint: minio.endpoint });
  const config = tinyConfig({ rounds: 1, peers: 2 });
  const secrets = {
    coordinatorSeed: toHex(seedOf("coordinator")),
    apiSeed: toHex(seedOf("api")),
    chainId: toHex(seedOf("chain-id")),
    lastLink: toHex(seedOf("chain")),
    chainLinks: chainLength(config.rounds),
  };
  const evaluator = keyOf("evaluator");
  const run = await createRun(store, {
    slug: "lambda",
    config,
    source: "Moby-Dick",
    text: mobyDick().slice(0, 60_000),
    keys: {
      roots: [keyOf("root-1"), keyOf("root-2")],
      coordinator: keyOf("coordinator"),
      api: keyOf("api"),
      evaluators: [evaluator.publicKey],
      chainId: secrets.chainId,
      lastLink: secrets.lastLink,
      parameterSeed: seedOf("parameters"),
    },
  });
  await createFileSecretStore(join(folder, "secrets")).create(run, secrets);
  await activateRun(store, run);

  // The functions, and what calls them.
  const sqs = createSqsClient({ region, endpoint: localStack.endpoint });
  cleanUp.push(async () => sqs.destroy());
  const urls = await Promise.all(
    QUEUE_KINDS.flatMap((kind) =>
      ["", "-dead"].map(async (dead) => {
        const { url } = await requireQueue(sqs, `${name}-${kind}${dead}`);
        return [`OUTERLOOP_${kind.toUpperCase()}_${dead === "" ? "QUEUE" : "DEAD"}`, url] as const;
      }),
    ),
  );
  const environment: Record<string, string> = {
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: minio.accessKeyId,
    AWS_SECRET_ACCESS_KEY: minio.secretAccessKey,
    OUTERLOOP_BUCKET: bucket,
    OUTERLOOP_S3_ENDPOINT: minio.endpoint,
    OUTERLOOP_SQS_ENDPOINT: localStack.endpoint,
    ...Object.fromEntries(urls),
    OUTERLOOP_SECRETS: `file:${join(folder, "secrets")}`,
    OUTERLOOP_AUTHORITY: `127.0.0.1:${port}`,
    OUTERLOOP_EVENTS_TOKEN: TOKEN,
  };
  const functions = {} as Record<FunctionName, Instances>;
  await Promise.all(
    names.map(async (one) => {
      await bundleFunction(one, join(folder, one));
      functions[one] = createInstances(() => startLambda(join(folder, one), environment));
    }),
  );
  const logs: LogLine[] = [];
  cleanUp.push(() => Promise.all(names.map((one) => functions[one].stop())));
  const server = await listen(functions.api, port);
  const stop = new AbortController();
  const { signal } = stop;
  const url = (variable: string) => environment[variable] ?? "";
  const working: Promise<unknown>[] = [
    mapQueue(sqs, url("OUTERLOOP_TICKS_QUEUE"), functions.decide, { batchSize: 10, signal }),
    ...[1, 2].map(() =>
      mapQueue(sqs, url("OUTERLOOP_SHARDS_QUEUE"), functions.shards, { batchSize: 1, signal }),
    ),
    sweepEvery(functions.sweep, signal),
  ];
  cleanUp.push(async () => {
    stop.abort();
    server.closeAllConnections();
    server.close();
    await Promise.allSettled(working);
  });

  // Two strangers and an evaluator, who know nothing but the address.
  const clientOf = (key: SigningKey) => createApiClient({ coordinator: origin, key, signal });
  working.push(
    runEvaluator({
      api: clientOf(evaluator),
      run,
      key: evaluator,
      open: openModel(join(folder, "evaluator")),
      report: () => {},
      signal,
    }),
  );
  await Promise.all(
    ["peer-1", "peer-2"].map(async (peer) =>
      runPeer({
        api: clientOf(keyOf(peer)),
        run,
        key: keyOf(peer),
        store: await openPeerStateStore(join(folder, peer), run),
        innerLoop: async (view) =>
          createInnerLoop(config, await loadTokens(view, join(folder, peer, "data"))),
        report: () => {},
        signal,
      }),
    ),
  );

  // The state and its held-out loss come after the run; then the sweep takes it off its list.
  while ((await store.head(keys.active(run))) !== null) await sleep(100, undefined, { signal });
  stop.abort();
  await Promise.allSettled(working);
  for (const one of names) logs.push(...(await functions[one].stop()));

  const status = await readStatus(await openRun(store, run));
  expect(status.phase).toBe("finished");
  expect(status.history).toEqual([
    expect.objectContaining({
      outcome: "applied",
      selected: [keyOf("peer-1").publicKey, keyOf("peer-2").publicKey].sort(),
      stateHash: expect.any(String),
      heldOutLoss: expect.any(Number),
    }),
  ]);
  expect(status.history[0]?.heldOutLoss).toBeLessThan(status.initialHeldOutLoss ?? 0);
  // Each kind of function did its part, with the codec that this machine has, and nothing went wrong on the way.
  const ready = logs.filter(({ message }) => message.endsWith("is ready")).map(({ details }) => details);
  expect(new Set(ready.map((one) => one?.function))).toEqual(new Set(names));
  expect(new Set(ready.map((one) => one?.codec))).toEqual(new Set([loadCodec().backend]));
  expect(logs.filter(({ level }) => level !== "INFO")).toEqual([]);
  const queues = await openSqsQueues({ region, endpoint: localStack.endpoint, name });
  for (const kind of QUEUE_KINDS) expect(await queues[kind].deadLetters()).toEqual([]);
});

/** A minute in the cloud. */
async function sweepEvery(sweep: Instances, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sweep.invoke({ source: "aws.scheduler", "detail-type": "Scheduled Event", detail: "{}" });
    await sleep(2_000, undefined, { signal }).catch(() => {});
  }
}
