/**
 * The run that is simulated: a model small enough that real payloads cost nothing, the same in every seed.
 *
 * @module
 */
import { seedChain } from "../../functions/coordinator/seed-chain.ts";
import type { RunSecrets } from "../../functions/rounds/run-context.ts";
import { createMemoryObjectStore } from "../../functions/storage/memory-object-store.ts";
import { listAll, type ObjectStore } from "../../functions/storage/object-store.ts";
import {
  derivedSeed,
  f32ToHex,
  type RunConfig,
  type SigningKey,
  signingKey,
  toHex,
} from "../../schemas/index.ts";
import { activateRun, chainLength, createRun, type RunKeys } from "../local/create-run.ts";

export const AUTHORITY = "coordinator.example:443";
export const ORIGIN = `http://${AUTHORITY}`;
export const TICKET_SECRET = "the tickets of the simulation";
/** Ahead of every machine: the library that verifies requests also looks at the real clock, for what has expired. */
export const START_MS = Date.UTC(2100, 0, 1);

export const keyOf = (name: string): SigningKey => signingKey(derivedSeed("simulation", name));

/** Two shards of one chunk; windows of seconds, because a quiet second costs a simulation nothing but polls. */
export const simulatedConfig: RunConfig = {
  rounds: 3,
  model: {
    vocabulary: 4_096,
    width: 2,
    layers: 1,
    heads: 1,
    keyValueHeads: 1,
    feedForward: 2,
    sequenceLength: 8,
    ropeBase: 10_000,
    normEpsilon: 1e-5,
    tiedHead: true,
  },
  inner: {
    steps: 2,
    batchSize: 2,
    optimiser: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0, clipNorm: 1 },
    learningRate: { kind: "constant", peak: 0.001, warmupSteps: 0 },
  },
  outer: {
    alpha: [{ fromRound: 1, value: f32ToHex(1) }],
    beta: f32ToHex(0.95),
    keep: [{ fromRound: 1, value: 16 }],
    chunksPerShard: 1,
    downlink: "exact",
  },
  gather: { minPeers: 2, expectedAtStart: 3, maxPeers: 16, announceWindowSeconds: 20 },
  windows: {
    trainSeconds: 60,
    uploadSeconds: 20,
    graceSeconds: 5,
    checkSeconds: 30,
    evaluationSeconds: 60,
    aggregationSeconds: 60,
  },
  gauntlet: {
    minSubmissions: 2,
    maxSelected: 20,
    anchorSequences: 4,
    sequencesPerOwner: 2,
    ownersPerGroup: 4,
    stepFactor: 0.2,
    assignedTest: "matrix",
    judging: {
      budgetSeconds: 60,
      secondsPerUpdate: 1,
      secondOpinions: 0.3,
      canaries: 0.3,
      tolerance: 0.05,
      privateSequences: 1,
    },
    guardNats: 1,
    rating: { mu: 25, sigma: 25 / 3, beta: 25 / 6, tau: 25 / 300 },
  },
  heldOut: { windows: 2, everyRounds: 1 },
  stateEveryRounds: 1,
};

export const evaluatorKeys = [keyOf("evaluator-1"), keyOf("evaluator-2")];

const runKeys: RunKeys = {
  roots: [keyOf("root-1"), keyOf("root-2")],
  coordinator: keyOf("coordinator"),
  api: keyOf("api"),
  evaluators: evaluatorKeys.map(({ publicKey }) => publicKey),
  chainId: toHex(derivedSeed("simulation", "chain-id")),
  lastLink: toHex(derivedSeed("simulation", "chain")),
  parameterSeed: derivedSeed("simulation", "parameters"),
};

export const { roots } = runKeys;
export const apiKey = runKeys.api;

/** One seed in so many is a run of more rounds: to pause by itself and go on takes four at least. */
const LONG = { every: 10, rounds: 7 };
const worlds = new Map<number, Promise<PreparedRun>>();

/** The run of a seed. */
export function preparedFor(seed: number): Promise<PreparedRun> {
  const rounds = seed % LONG.every === 0 ? LONG.rounds : simulatedConfig.rounds;
  const prepared = worlds.get(rounds) ?? prepareRun({ ...simulatedConfig, rounds });
  worlds.set(rounds, prepared);
  return prepared;
}

/** A run as it stands before anybody takes part, to be put into the bucket of each world. */
export interface PreparedRun {
  run: string;
  config: RunConfig;
  secrets: RunSecrets;
  objects: ReadonlyMap<string, Uint8Array>;
}

/** Makes the run's objects once; they are the same in every world. */
export async function prepareRun(config: RunConfig, evaluators = evaluatorKeys): Promise<PreparedRun> {
  const store = createMemoryObjectStore({ ticketSecret: TICKET_SECRET, baseUrl: ORIGIN });
  const text = new TextEncoder().encode("Call me Ishmael. ".repeat(300));
  const keys = { ...runKeys, evaluators: evaluators.map(({ publicKey }) => publicKey) };
  const run = await createRun(store, { slug: "simulated", config, keys, source: "one line", text });
  await activateRun(store, run);
  const chain = seedChain(runKeys.chainId, runKeys.lastLink, chainLength(config.rounds));
  return {
    run,
    config,
    secrets: { coordinator: runKeys.coordinator, chain },
    objects: await contentOf(store),
  };
}

async function contentOf(store: ObjectStore): Promise<Map<string, Uint8Array>> {
  const objects = new Map<string, Uint8Array>();
  for (const top of ["active/", "public/"]) {
    for await (const { key } of listAll(store, top)) {
      const object = await store.get(key);
      if (object !== null) objects.set(key, object.bytes);
    }
  }
  return objects;
}
