/**
 * Twenty rounds over a bucket on MinIO and queues on LocalStack, each with a blow: kill -9 of processes and servers, SIGSTOP,
 * networks cut and slow. All parameters are equal at the end, and nothing that was acknowledged is missing.
 */
import { join } from "node:path";
import { afterEach, beforeEach, it } from "vitest";
import { openRun } from "../../functions/rounds/run-context.ts";
import { createS3ObjectStore } from "../../functions/storage/s3.ts";
import { storageOptions } from "../../workers/operator/storage-options.ts";
import { freePort, HOST, isFree } from "../services/free-port.ts";
import type { Server } from "../services/server.ts";
import { REGION, startBoth } from "../services/services.ts";
import { outerloopIn } from "../support/up.ts";
import { startGateway } from "./gateway.ts";
import { expectHits, expectNoFaults, expectWhole, live, startEverybody, summarise } from "./ordeal.ts";
import { planBlows, type Threat } from "./plan.ts";
import { createProcesses } from "./processes.ts";
import { makeRun, ROUNDS } from "./run.ts";
import { openStage, type Stage } from "./stage.ts";
import { commonThreats, LONG_SECONDS, SHORT_SECONDS } from "./threats.ts";
import { startWire } from "./wire.ts";

const TOKEN = "chaos-events-token";
const BUCKET = "chaos";

let stage: Stage;
beforeEach(async () => {
  stage = await openStage("services");
});
afterEach(() => stage.close());

it("twenty rounds over MinIO and LocalStack, each with a blow", { timeout: 500_000 }, async ({ signal }) => {
  const { folder, seed, say, cleanUp } = stage;
  const coordinatorPort = await freePort();
  const webhook = { url: `http://${HOST}:${coordinatorPort}/events`, token: TOKEN };
  const { minio, localStack, stop } = await startBoth(
    { webhook, folder: join(folder, "minio") },
    { folder: join(folder, "localstack") },
  );
  cleanUp(stop);
  const wire = await startWire(minio.port);
  cleanUp(wire.close);

  const { accessKeyId, secretAccessKey } = minio;
  const env = {
    ...stage.env,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_REGION: REGION,
    OUTERLOOP_EVENTS_TOKEN: TOKEN,
  };
  const storage = storageOptions({
    endpoint: wire.endpoint,
    queueEndpoint: localStack.endpoint,
    bucket: BUCKET,
    region: REGION,
  });
  /** Until it succeeds: the other server may be away. */
  const provision = async () => {
    const args = ["--endpoint", wire.endpoint, "--queue", localStack.endpoint, "--bucket", BUCKET];
    while (!signal.aborted) {
      const { status, stderr } = await outerloopIn(env, "provision", ...args).ended;
      if (status === 0) return;
      say(`provision: ${stderr.trim().split("\n").at(-1)}`);
    }
  };
  await provision();

  // Past the wire: what the test wants to know is not to be cut off.
  const credentials = { accessKeyId, secretAccessKey };
  const store = createS3ObjectStore({
    bucket: BUCKET,
    endpoint: minio.endpoint,
    region: REGION,
    credentials,
  });
  const dataDir = join(folder, "data");
  const current = await makeRun(dataDir, store, { kind: "s3", ...storage });
  const gateway = await startGateway(HOST, coordinatorPort);
  cleanUp(gateway.close);
  const processes = createProcesses(stage.logs);
  cleanUp(processes.stop);

  const restart = oneAtATime(async (server: Server) => {
    await server.kill("SIGKILL");
    const isGone = await isFree(server.port);
    await server.restart();
    return isGone;
  });
  const threats: Threat[] = [
    ...commonThreats(processes, gateway),
    { what: "SIGKILL of", victims: ["MinIO"], seconds: null, strike: () => restart(minio) },
    {
      what: "SIGKILL of",
      victims: ["LocalStack"],
      seconds: null,
      // It forgets its queues.
      async strike() {
        const isGone = await restart(localStack);
        await provision();
        return isGone;
      },
    },
    {
      what: "wire cut to",
      victims: ["MinIO"],
      seconds: SHORT_SECONDS,
      strike: (_, seconds) => wire.cut(seconds),
    },
    {
      what: "wire slow to",
      victims: ["MinIO"],
      seconds: LONG_SECONDS,
      strike: (_, seconds) => wire.slow(seconds),
    },
  ];
  const ordeal = {
    dataDir,
    current,
    context: await openRun(store, current.run),
    processes,
    gateway,
    authority: `${HOST}:${gateway.port}`,
    coordinatorPort,
    env,
    workerEnv: stage.env,
    prefixOf: () => [],
    say,
    signal,
  };
  startEverybody(ordeal);
  const blows = planBlows(seed, ROUNDS, threats);
  const { status, fallen } = await live(ordeal, blows);
  summarise(ordeal, status);
  expectHits(blows, fallen);
  expectNoFaults(ordeal);
  await expectWhole(ordeal, status);
  await processes.stop();
  await stop();
  stage.expectNobodyLeft();
});

/** A call waits for the one before it. */
function oneAtATime<Args extends unknown[], Result>(work: (...args: Args) => Promise<Result>): typeof work {
  let last: Promise<unknown> = Promise.resolve();
  return (...args) => {
    const next = last.then(() => work(...args));
    last = next.catch(() => {});
    return next;
  };
}
