/**
 * The four functions as they are deployed: bundled with SST's settings, alone in a folder, fed with recorded events.
 */
import { cp, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { memoryRunConfig, RunInMemory } from "../functions/coordinator/testing/run-in-memory.ts";
import { dispatch } from "../functions/triggers/dispatch.ts";
import { type Recorded, recorded } from "../functions/triggers/lambda/testing/events.ts";
import { BUCKET, type FakeAws, startFakeAws } from "../functions/triggers/lambda/testing/fake-aws.ts";
import {
  bundleFunction,
  FunctionEnded,
  type LambdaProcess,
  type LogLine,
  startLambda,
} from "../functions/triggers/lambda/testing/lambda-process.ts";
import { tick } from "../functions/triggers/tick.ts";
import type { FunctionName } from "../infra/bundle.ts";
import { loadCodec } from "../native/codec.ts";
import { derivedSeed, keys, toHex } from "../schemas/index.ts";
import { chainLength } from "../workers/local/create-run.ts";

const NAMES: readonly FunctionName[] = ["decide", "shards", "api", "sweep"];
const AUTHORITY = "abc123.execute-api.eu-west-1.amazonaws.com";
const READ_ROLE = "arn:aws:iam::123456789012:role/read";
const OTHER_RUN = `other-${"0".repeat(32)}`;
const FIRST_EVENTS: Record<FunctionName, Recorded> = {
  decide: "ticks",
  shards: "shards",
  api: "http-get",
  sweep: "schedule",
};

let root: string;
let world: RunInMemory;
/** Objects of a run in which everybody has committed and uploaded: nothing is checked yet, and all is. */
let uploaded: Awaited<ReturnType<RunInMemory["objects"]>>;
let checked: typeof uploaded;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "outerloop-bundles-"));
  await Promise.all(NAMES.map((name) => bundleFunction(name, join(root, name))));
  world = await RunInMemory.create("bundles", { peers: 3 });
  const { interleaver, peers } = world;
  await interleaver.run(peers.map((peer) => world.announce(peer)));
  await interleaver.run([tick(world.process(0), world.run)]);
  await interleaver.run(peers.map((peer) => world.commit(peer)));
  await interleaver.run(peers.flatMap((peer) => [0, 1].map((shard) => world.upload(peer, shard))));
  uploaded = await world.objects();
  const told = world.messages
    .filter((body) => JSON.parse(body).type === "created")
    .map((body, i) => ({ id: `${i}`, body, lease: "", receives: 1 }));
  await interleaver.run([dispatch(world.process(0), told)]);
  checked = await world.objects();
});
afterAll(() => rm(root, { recursive: true, force: true }));

let aws: FakeAws;
let running: LambdaProcess[];
beforeEach(async () => {
  running = [];
  aws = await startFakeAws(world.clock.nowMs);
  put(uploaded);
  aws.secrets.set(`/outerloop/test/coordinator/${world.run}`, JSON.stringify(coordinatorSecrets));
  aws.secrets.set(`/outerloop/test/api/${world.run}`, JSON.stringify({ apiSeed: seedOf("api") }));
});
afterEach(async () => {
  await Promise.all(running.map((one) => one.stop()));
  await aws.close();
});

function put(objects: typeof uploaded): void {
  for (const [key, { bytes, lastModifiedMs }] of objects) {
    aws.objects.set(key, { bytes: Buffer.from(bytes), lastModifiedMs, headers: {} });
  }
}

const seedOf = (name: string) => toHex(derivedSeed("tests", name));
const coordinatorSecrets = {
  coordinatorSeed: seedOf("coordinator"),
  chainId: seedOf("chain-id"),
  lastLink: seedOf("chain"),
  chainLinks: chainLength(memoryRunConfig.rounds),
};

/** What a deploy would set; nothing else of this machine reaches the function. */
function environmentOf(name: FunctionName): Record<string, string> {
  const queues = ["ticks", "shards", "jobs"].flatMap((queue) => [
    [`OUTERLOOP_${queue.toUpperCase()}_QUEUE`, `${aws.url}/${queue}`],
    [`OUTERLOOP_${queue.toUpperCase()}_DEAD`, `${aws.url}/${queue}-dead`],
  ]);
  return {
    AWS_REGION: "eu-west-1",
    AWS_ACCESS_KEY_ID: "FUNCTION",
    AWS_SECRET_ACCESS_KEY: "secret",
    AWS_ENDPOINT_URL_SSM: aws.url,
    AWS_ENDPOINT_URL_STS: aws.url,
    OUTERLOOP_BUCKET: BUCKET,
    OUTERLOOP_S3_ENDPOINT: aws.url,
    OUTERLOOP_SQS_ENDPOINT: aws.url,
    ...Object.fromEntries(queues),
    OUTERLOOP_SECRETS: "ssm:/outerloop/test",
    ...(name === "api"
      ? {
          OUTERLOOP_AUTHORITY: AUTHORITY,
          OUTERLOOP_UPLOAD_ROLE: "arn:aws:iam::123456789012:role/upload",
          OUTERLOOP_READ_ROLE: READ_ROLE,
        }
      : {}),
  };
}

async function started(
  name: FunctionName,
  changes: Record<string, string> = {},
  folder = join(root, name),
): Promise<LambdaProcess> {
  const one = await startLambda(folder, { ...environmentOf(name), ...changes });
  running.push(one);
  return one;
}

/** Starts a function, gives it its first event, and prints how long that took and how large it is. */
async function coldStart(name: FunctionName, names: Record<string, string>) {
  const event = await recorded(FIRST_EVENTS[name], names);
  const begunAt = performance.now();
  const lambda = await started(name);
  const importedAt = performance.now();
  const answer = await lambda.invoke(event);
  const ms = (from: number, to: number) => (to - from).toFixed(0);
  const [bundle, folder] = await Promise.all([
    readFile(join(root, name, "bundle.mjs")),
    deployedBytes(join(root, name)),
  ]);
  const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(2);
  process.stdout.write(
    `${name.padEnd(6)} bundle ${mib(bundle.length)} MiB (gzip ${mib(gzipSync(bundle).length)}), with files ${mib(folder)} MiB; ` +
      `process and import ${ms(begunAt, importedAt)} ms, first event ${ms(importedAt, performance.now())} ms\n`,
  );
  return { lambda, answer };
}

/** Of everything but source maps, which SST leaves out. */
async function deployedBytes(folder: string): Promise<number> {
  const files = (await readdir(folder, { recursive: true })).filter((name) => !name.endsWith(".mjs.map"));
  const sizes = await Promise.all(files.map((name) => stat(join(folder, name))));
  return sizes.reduce((sum, one) => sum + (one.isFile() ? one.size : 0), 0);
}

const queueCalls = (action: string) => aws.calls.filter((call) => call.action === action);
const sent = (queue: string) => queueCalls("SendMessage").filter((call) => call.queue === queue);
const sentTo = (queue: string) => sent(queue).map(({ body }) => body);
const buried = (queue: string) => sent(`${queue}-dead`).map(({ body, reason }) => [body, reason]);
const deleted = () => queueCalls("DeleteMessage").map(({ receipt }) => receipt);
const pauses = () =>
  queueCalls("ChangeMessageVisibility").map(({ receipt, visibilitySeconds }) => [receipt, visibilitySeconds]);
/** Which parts of the secrets somebody asked for. */
const secretsAsked = () => [...new Set([...aws.asked].map((name) => name.split("/").at(-2)))];
/** Anything but news; on a machine without a compiler every function also says that its codec is the slow one. */
const isTrouble = ({ level, message }: LogLine) =>
  level !== "INFO" &&
  !(loadCodec().backend === "reference" && String(message).includes("processor time per element"));
const readyLine = (log: LogLine[]) => log.find(({ message }) => message.endsWith("is ready"))?.details;

function httpAnswer(answer: unknown): { statusCode: number; headers: Record<string, string>; body: string } {
  const given = answer as ReturnType<typeof httpAnswer> & { isBase64Encoded: boolean };
  return {
    ...given,
    body: given.isBase64Encoded ? Buffer.from(given.body, "base64").toString() : given.body,
  };
}

describe("a function as it is deployed", () => {
  it("shards: checks the uploads that S3 tells of, buries poison, and takes back what may succeed later", async () => {
    const [peer] = world.peers;
    if (peer === undefined) throw new Error("no peers");
    // The secrets of the other run cannot be read just now.
    aws.secrets.set(`/outerloop/test/coordinator/${OTHER_RUN}`, "{}");
    const { lambda, answer } = await coldStart("shards", {
      RUN: world.run,
      PEER: peer.publicKey,
      OTHER: OTHER_RUN,
    });

    expect(answer).toEqual({
      batchItemFailures: [{ itemIdentifier: "22222222-aaaa-4bbb-8ccc-000000000005" }],
    });
    expect(pauses()).toContainEqual(["receipt-5", 40]);
    expect(buried("shards")).toEqual([
      ['{"type": "dance"}', expect.stringMatching(/malformed-message|expected a message/)],
    ]);
    expect(deleted()).toEqual(["receipt-3"]);

    expect(aws.objects.has(keys.check(world.run, 1, peer.publicKey, 0))).toBe(true);
    const submission = aws.objects.get(keys.submission(world.run, 1, peer.publicKey));
    expect(JSON.parse(String(submission?.bytes)).body).toMatchObject({ peer: peer.publicKey, refusal: null });
    expect(sentTo("ticks")).toContain(JSON.stringify({ type: "tick", run: world.run }));
    expect(readyLine(await lambda.stop())).toMatchObject({ codec: loadCodec().backend });
    expect(secretsAsked()).toEqual(["coordinator"]);
  });

  it("decide: one decision for a batch of ticks, and poison alone is buried", async () => {
    put(checked);
    const { lambda, answer } = await coldStart("decide", { RUN: world.run });

    expect(answer).toEqual({ batchItemFailures: [] });
    expect(buried("ticks")).toEqual([
      ["do what you did yesterday", expect.stringContaining("expected JSON")],
    ]);
    expect(deleted()).toEqual(["receipt-2"]);
    const recordedLines = (await lambda.stop()).filter(({ message }) => message.endsWith("recorded"));
    const details = { run: world.run, round: 1 };
    expect(recordedLines).toEqual(
      ["cutoff recorded", "close recorded"].map((message) =>
        expect.objectContaining({ level: "INFO", requestId: "request-1", message, details }),
      ),
    );
    expect(sentTo("jobs").map((body) => JSON.parse(body ?? ""))).toContainEqual(
      expect.objectContaining({ type: "judge", ...details }),
    );
    expect(aws.objects.has(keys.close(world.run, 1))).toBe(true);
    expect(secretsAsked()).toEqual(["coordinator"]);
  });

  it("sweep: looks after every active run, and draws its picture", async () => {
    const { lambda, answer } = await coldStart("sweep", {});

    expect(answer).toBeUndefined();
    const picture = aws.objects.get(keys.statusView(world.run));
    expect(JSON.parse(String(picture?.bytes))).toMatchObject({ run: world.run, round: 1 });
    expect(sentTo("shards")).toContain(
      JSON.stringify({ type: "created", key: keys.upload(world.run, 1, world.peers[0]?.publicKey ?? "", 0) }),
    );
    expect((await lambda.stop()).filter(isTrouble)).toEqual([]);
    expect(secretsAsked()).toEqual(["coordinator"]);
  });

  it("sweep: fails where it could not look after a run, once it has looked after the others: an alarm counts that", async () => {
    aws.objects.set(keys.active(OTHER_RUN), { bytes: Buffer.of(), lastModifiedMs: 0, headers: {} });
    const lambda = await started("sweep");
    await expect(lambda.invoke(await recorded("schedule", {}))).rejects.toThrow(OTHER_RUN);
    expect(aws.objects.has(keys.statusView(world.run))).toBe(true);
  });

  it("api: runs, their pictures, the contract, the page, the way to objects; nothing without a signature", async () => {
    const { lambda, answer } = await coldStart("api", { PATH: "runs" });
    const get = async (path: string) =>
      httpAnswer(await lambda.invoke(await recorded("http-get", { PATH: path })));

    expect(JSON.parse(httpAnswer(answer).body)).toEqual({ runs: [world.run] });
    expect(JSON.parse((await get("openapi.json")).body)).toMatchObject({ openapi: "3.1.0" });
    expect(JSON.parse((await get(`runs/${world.run}`)).body)).toMatchObject({
      run: world.run,
      phase: "train",
    });
    expect(JSON.parse((await get(`runs/${world.run}/position`)).body)).toMatchObject({
      round: 1,
      pollAfterSeconds: 5,
    });
    expect((await get(`runs/${world.run}/events`)).body).toMatch(/^event: status\ndata: /m);
    const page = await get("");
    expect([page.statusCode, page.headers["content-type"]]).toEqual([200, "text/html; charset=utf-8"]);
    expect((await get("assets/uplot.js")).statusCode).toBe(200);
    expect((await get("runs/none-00000000000000000000000000000000")).statusCode).toBe(404);

    // The way to a public object is signed by the role that may read, and by no other.
    const way = await get(`objects/${keys.genesis(world.run)}`);
    expect(way.statusCode).toBe(307);
    expect(aws.roles).toEqual([READ_ROLE]);
    const url = new URL(way.headers.location ?? "");
    expect(url.searchParams.get("X-Amz-Credential")).toMatch(/^SESSION-OF-read\//);
    const fetched = Buffer.from(await (await fetch(url)).arrayBuffer());
    expect(fetched.equals(aws.objects.get(keys.genesis(world.run))?.bytes ?? Buffer.of())).toBe(true);
    expect(
      (await get(`objects/${keys.upload(world.run, 1, world.peers[0]?.publicKey ?? "", 0)}`)).statusCode,
    ).toBe(404);

    const unsigned = httpAnswer(
      await lambda.invoke(await recorded("http-post-unsigned", { RUN: world.run })),
    );
    expect([unsigned.statusCode, JSON.parse(unsigned.body).code]).toEqual([401, "unsigned-request"]);
    expect(secretsAsked()).toEqual([]);
    expect((await lambda.stop()).filter(isTrouble)).toEqual([]);
  });

  it("needs no node_modules; the page of the API brings the one library it shows", async () => {
    const libraries = await Promise.all(
      NAMES.map(async (name) => {
        const found = await readdir(join(root, name, "node_modules")).catch(() => []);
        return [name, found];
      }),
    );
    expect(Object.fromEntries(libraries)).toEqual({ decide: [], shards: [], sweep: [], api: ["uplot"] });
  });

  it.each([...NAMES])("%s: says which variables are missing or wrong, and does not start", async (name) => {
    const changes = { OUTERLOOP_BUCKET: "", OUTERLOOP_STORE_PROFILE: "gcs" };
    const failure = await started(name, changes).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(FunctionEnded);
    expect(failure instanceof FunctionEnded && failure.log).toEqual([
      expect.objectContaining({
        level: "ERROR",
        message: expect.stringMatching(
          /cannot start.*OUTERLOOP_BUCKET is missing; OUTERLOOP_STORE_PROFILE must be s3 or r2/,
        ),
        details: {
          error: expect.objectContaining({
            code: "invalid-configuration",
            details: { variables: ["OUTERLOOP_BUCKET", "OUTERLOOP_STORE_PROFILE"] },
          }),
        },
      }),
    ]);
  });

  it("says what it costs where the native codec is missing", async () => {
    const folder = join(root, "shards-without-codec");
    const filter = (path: string) => !path.includes("prebuilds");
    await cp(join(root, "shards"), folder, { recursive: true, filter });
    const log = await (await started("shards", {}, folder)).stop();
    expect(readyLine(log)).toMatchObject({ codec: "reference" });
    const message = expect.stringMatching(/8 times the processor time .*No native build was found/);
    expect(log).toContainEqual(expect.objectContaining({ level: "WARN", message }));
  });

  it("a request that fails because the bucket is gone is answered, and its cause is in the log", async () => {
    const lambda = await started("api", { OUTERLOOP_BUCKET: "no-longer-there" });
    const answer = httpAnswer(await lambda.invoke(await recorded("http-get", { PATH: "runs" })));
    expect(answer.statusCode).toBe(503);
    expect((await lambda.stop()).at(-1)).toMatchObject({
      level: "ERROR",
      requestId: "request-1",
      message: expect.stringContaining("GET /runs was answered 503"),
      details: { error: expect.objectContaining({ code: "no-such-bucket" }) },
    });
  });
});
