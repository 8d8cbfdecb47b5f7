/**
 * Where a command reads a run: from a coordinator, or from the bucket itself, coordinator or not.
 *
 * @module
 */
import type { z } from "zod";
import { createApiClient } from "../../functions/api/client.ts";
import type { Fact } from "../../functions/coordinator/facts.ts";
import { readFact } from "../../functions/rounds/objects.ts";
import { openRun, type RunContext } from "../../functions/rounds/run-context.ts";
import { runsOf } from "../../functions/rounds/runs.ts";
import type { ObjectStore } from "../../functions/storage/object-store.ts";
import { OuterloopError, type SignedType, type signedTypes } from "../../schemas/index.ts";
import { type CloudStorage, readCurrentRun } from "../local/run-folder.ts";
import { openStore } from "../local/storage.ts";
import { chooseRun, openRunView, readSigned } from "../replica/run-view.ts";

export interface SourceOptions {
  dataDir: string;
  /** Read this bucket instead of a folder. */
  storage: CloudStorage | undefined;
  coordinator: string | undefined;
  run: string | undefined;
}

/** Facts of one run that the coordinator signed. */
export interface FactSource {
  run: string;
  /** Null: not there. */
  read<Type extends SignedType>(
    type: Type,
    key: string,
  ): Promise<Fact<z.infer<(typeof signedTypes)[Type]>> | null>;
}

export async function openSource(options: SourceOptions): Promise<FactSource> {
  if (options.coordinator === undefined) {
    const context = await openBucket(options);
    return { run: context.run, read: (type, key) => readFact(context, type, key) };
  }
  const api = createApiClient({ coordinator: options.coordinator, patienceSeconds: 3 });
  const run = await chooseRun(api, options.run);
  const view = await openRunView(api, run);
  return { run, read: (type, key) => readSigned(view, type, key) };
}

/** The run in a folder or bucket (`no-such-run`). */
export async function openBucket({ dataDir, storage, run }: SourceOptions): Promise<RunContext> {
  if (storage !== undefined) {
    const store = openStore(dataDir, { storage, ticketSecret: "" });
    return openRun(store, run ?? (await newestRun(store)));
  }
  const current = await readCurrentRun(dataDir);
  if (current === null) {
    throw new OuterloopError(
      "no-such-run",
      `${dataDir} holds no run: name its folder with --data-dir, or a coordinator with --coordinator`,
    );
  }
  return openRun(openStore(dataDir, current), run ?? current.run);
}

/** The run in a bucket that was created last. */
async function newestRun(store: ObjectStore): Promise<string> {
  const newest = (await runsOf(store)).at(-1);
  if (newest !== undefined) return newest;
  throw new OuterloopError("no-such-run", "the bucket holds no run: `outerloop run create` makes one");
}
