/**
 * What `up` refuses to work on, and when: before a bucket is touched.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { storageOptions } from "../operator/storage-options.ts";
import { type CarelessOptions, type CarelessS3, startCarelessS3 } from "../operator/testing/careless-s3.ts";
import { prepareRun, type WantedRun } from "./prepare.ts";
import type { CloudStorage } from "./run-folder.ts";

let folder: string;
let server: CarelessS3 | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "outerloop-prepare-"));
  vi.stubEnv("AWS_ACCESS_KEY_ID", "anybody");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "any-secret");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server?.close();
  server = undefined;
  await rm(folder, { recursive: true, force: true });
});

const nothing: WantedRun = {
  rounds: undefined,
  peers: undefined,
  saboteurs: undefined,
  evaluators: undefined,
  seed: undefined,
  storage: undefined,
};

async function bucketAt(options: CarelessOptions): Promise<{ storage: CloudStorage; keys: () => string[] }> {
  const started = await startCarelessS3(options);
  server = started;
  const storage: CloudStorage = { kind: "s3", ...storageOptions({ endpoint: started.endpoint }) };
  return { storage, keys: started.keys };
}

it("other options for an unfinished run are refused before a bucket is set up", async () => {
  const provision = vi.fn(async () => {});
  await prepareRun(folder, nothing, provision);
  const { storage } = await bucketAt({ conditions: true });
  await expect(prepareRun(folder, { ...nothing, storage }, provision)).rejects.toMatchObject({
    code: "run-unfinished",
  });
  expect(provision).not.toHaveBeenCalled();
});

it("no run is made on a store that ignores conditions", async () => {
  const { storage, keys } = await bucketAt({});
  const provision = vi.fn(async () => {});
  await expect(prepareRun(folder, { ...nothing, storage }, provision)).rejects.toMatchObject({
    code: "unconditional-store",
  });
  expect(provision).toHaveBeenCalledExactlyOnceWith(storage);
  expect(keys()).toEqual([]);
});

it("a run that stands in a shared bucket is nobody's who did not make it, whatever the seed", async () => {
  const { storage } = await bucketAt({ conditions: true });
  const wanted = { ...nothing, storage, seed: "7" };
  const mine = await prepareRun(join(folder, "mine"), wanted, async () => {});
  const theirs = () => prepareRun(join(folder, "theirs"), wanted, async () => {});
  // Not the second time either.
  for (const attempt of [theirs, theirs]) {
    await expect(attempt()).rejects.toMatchObject({ code: "run-exists", details: { run: mine.current.run } });
  }
  expect((await prepareRun(join(folder, "mine"), wanted, async () => {})).resumed).toBe(true);
});

it("a run of which only the folder was written before a kill is gone on with", async () => {
  const { storage } = await bucketAt({ conditions: true });
  const wanted = { ...nothing, storage, seed: "7" };
  const { current } = await prepareRun(folder, wanted, async () => {});
  await rm(join(folder, "current.json"));
  expect((await prepareRun(folder, wanted, async () => {})).current.run).toBe(current.run);
});
