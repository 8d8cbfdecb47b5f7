/**
 * A run whose store and queues fail all the time: requests refused with 503, answers lost after the work was done.
 */
import { afterEach, expect, inject, it } from "vitest";
import { Draw } from "../../functions/coordinator/draws.ts";
import { readFinishedRound } from "../../functions/rounds/history.ts";
import { provision } from "../../workers/operator/provision.ts";
import { storageOptions } from "../../workers/operator/storage-options.ts";
import { type EmbeddedRun, startEmbeddedRun } from "../support/embedded-run.ts";
import { tinyConfig } from "../support/tiny-run.ts";
import { type Fault, type FaultyProxy, startProxy } from "./proxy.ts";

let embedded: EmbeddedRun | undefined;
let proxies: FaultyProxy[] = [];
afterEach(async () => {
  await embedded?.close();
  for (const proxy of proxies) await proxy.close();
  proxies = [];
});

it("a run outlives a storm of 503s and lost answers, and every commit gets its verdict", async () => {
  const [minio, localStack] = [inject("minio"), inject("localStack")];
  // The coordinator finds its credentials where it always does.
  process.env.AWS_ACCESS_KEY_ID = minio.accessKeyId;
  process.env.AWS_SECRET_ACCESS_KEY = minio.secretAccessKey;
  let raging = false;
  const draw = new Draw("00".repeat(32), "storm");
  const faultOf = (): Fault => {
    if (!raging) return "none";
    const drawn = draw.integer(10);
    return drawn === 0 ? "refuse" : drawn === 1 ? "lose" : "none";
  };
  proxies = [await startProxy(minio.endpoint, faultOf), await startProxy(localStack.endpoint, faultOf)];
  const [store, queues] = proxies;
  if (store === undefined || queues === undefined) throw new Error("two proxies were started");
  const storage = storageOptions({
    endpoint: store.endpoint,
    queueEndpoint: queues.endpoint,
    bucket: `storm-${Date.now()}`,
    region: minio.region,
    // Nobody tells of uploads: the sweep finds them all.
    notify: "none",
  });
  await provision(storage, new AbortController().signal);
  embedded = await startEmbeddedRun({
    config: tinyConfig({ rounds: 3, peers: 3 }),
    storage: { kind: "s3", ...storage },
  });
  raging = true;
  for (const name of ["a", "b", "c"]) embedded.peer(name);
  await embedded.untilFinished();
  raging = false;

  const status = await embedded.status();
  expect(status.history.map(({ outcome }) => outcome)).toEqual(["applied", "applied", "applied"]);
  for (const round of [1, 2, 3]) {
    const { close } = await readFinishedRound(embedded.context, round);
    expect(close.body.submissions.map(({ verdict }) => verdict)).toEqual([
      "included",
      "included",
      "included",
    ]);
  }
  for (const { faults } of proxies) {
    expect(faults.get("refuse")).toBeGreaterThan(0);
    expect(faults.get("lose")).toBeGreaterThan(0);
  }
});
