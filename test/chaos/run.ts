/**
 * The run that is hit: a model of a few thousand parameters, and windows so short that many a blow outlasts them.
 *
 * @module
 */
import type { ObjectStore } from "../../functions/storage/object-store.ts";
import { type RunConfig, toHex } from "../../schemas/index.ts";
import { activateRun, chainLength, createRun } from "../../workers/local/create-run.ts";
import { mobyDick } from "../../workers/local/quick-start.ts";
import { type CurrentRun, folders, writeCurrentRun } from "../../workers/local/run-folder.ts";
import { loadIdentity } from "../../workers/peer/identity.ts";
import { keyOf } from "../support/embedded-run.ts";
import { tinyConfig } from "../support/tiny-run.ts";

export const ROUNDS = 20;
export const PEERS = ["peer-1", "peer-2", "peer-3"] as const;
export const EVALUATORS = ["evaluator-1", "evaluator-2"] as const;

function config(): RunConfig {
  const tiny = tinyConfig({
    rounds: ROUNDS,
    peers: PEERS.length,
    windows: {
      trainSeconds: 3,
      uploadSeconds: 1,
      graceSeconds: 1,
      checkSeconds: 5,
      evaluationSeconds: 8,
      aggregationSeconds: 5,
    },
  });
  return {
    ...tiny,
    gather: { ...tiny.gather, announceWindowSeconds: 2 },
    // So small a model learns so little in a round that few sequences could not tell help from noise.
    gauntlet: { ...tiny.gauntlet, anchorSequences: 128 },
  };
}

const seedOf = (name: string) => keyOf(name).seed;

/** Tickets of a run in a folder are signed with this. */
export const TICKET_SECRET = toHex(seedOf("tickets"));

/** Writes the run into a store, and what its processes need to know into a data folder. */
export async function makeRun(
  dataDir: string,
  store: ObjectStore,
  storage: CurrentRun["storage"],
): Promise<CurrentRun> {
  const secrets = { chainId: toHex(seedOf("chain-id")), lastLink: toHex(seedOf("chain")) };
  const run = await createRun(store, {
    slug: "chaos",
    config: config(),
    source: "Moby-Dick",
    text: mobyDick().slice(0, 60_000),
    keys: {
      roots: [keyOf("root-1"), keyOf("root-2")],
      coordinator: keyOf("coordinator"),
      api: keyOf("api"),
      evaluators: EVALUATORS.map((name) => keyOf(name).publicKey),
      ...secrets,
      parameterSeed: seedOf("parameters"),
    },
  });
  for (const name of [...PEERS, ...EVALUATORS])
    await loadIdentity(folders.member(dataDir, run, name), seedOf(name));
  const current: CurrentRun = {
    run,
    number: 1,
    options: {
      rounds: ROUNDS,
      peers: PEERS.length,
      saboteurs: 0,
      evaluators: EVALUATORS.length,
      seed: null,
    },
    storage,
    coordinatorSeed: toHex(seedOf("coordinator")),
    apiSeed: toHex(seedOf("api")),
    ...secrets,
    chainLinks: chainLength(ROUNDS),
    ticketSecret: TICKET_SECRET,
    peers: PEERS.map((name) => ({ name, peer: keyOf(name).publicKey, behaviour: "honest" })),
    evaluators: EVALUATORS.map((name) => ({ name })),
  };
  await writeCurrentRun(dataDir, current);
  await activateRun(store, run);
  return current;
}
