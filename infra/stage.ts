/**
 * The settings of a stage. All of them come from environment variables, and this is the one place that reads them; a
 * variable that is not set has the default written here.
 *
 * @module
 */
import { z } from "zod";
import { KEEP_COUNTS } from "../native/record.ts";
import { OuterloopError } from "../schemas/errors.ts";
import type { Architecture } from "./bundle.ts";

const count = (least: number, most: number) => z.coerce.number().int().min(least).max(most);

const variables = z.object({
  /** Where everything stands. */
  OUTERLOOP_REGION: z
    .string()
    .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, { error: "must be a region such as eu-west-1" })
    .default("eu-west-1"),
  /** Processor of the functions. `arm64` wants the codec built for it: `npm run build:native -- --target linux-arm64`. */
  OUTERLOOP_ARCHITECTURE: z.enum(["x86_64", "arm64"]).default("x86_64"),
  /** How long logs of functions and of the API's requests are kept. */
  OUTERLOOP_LOG_RETENTION: z.enum(["1 week", "1 month", "3 months", "1 year"]).default("1 month"),
  /** Who hears of alarms. AWS asks that address for its consent first. */
  OUTERLOOP_ALARM_EMAIL: z.email().optional(),

  /**
   * Requests a second that the API takes, and how many at once on top of that; more are answered 429. Every download
   * begins with one, so a round ends with as many at once as it has shards times peers: see "Limits of the API" in
   * `docs/operating.md`.
   */
  OUTERLOOP_API_RATE: count(1, 10_000).default(500),
  OUTERLOOP_API_BURST: count(1, 5_000).default(1_000),
  /** A domain for the API, in a zone of Route 53 in the same account. Peers sign it: change it only between runs. */
  OUTERLOOP_API_DOMAIN: z.hostname().optional(),
  /** `on`: CloudFront in front of what everybody may read. */
  OUTERLOOP_CDN: z.stringbool().default(false),

  /** The largest run that the functions must be able to hold; see `limits.ts`. */
  OUTERLOOP_CHUNKS_PER_SHARD: count(1, 65_536).default(8_192),
  OUTERLOOP_KEEP: z.coerce
    .number()
    .pipe(z.literal([...KEEP_COUNTS]))
    .default(64),
  OUTERLOOP_MAX_SELECTED: count(1, 1_000).default(20),
  OUTERLOOP_SHARDS: count(1, 65_536).default(16),
  OUTERLOOP_MAX_PEERS: count(1, 100_000).default(100),
  /** A run's `stateEveryRounds`: the aggregates of so many rounds are applied in one go. */
  OUTERLOOP_STATE_EVERY_ROUNDS: count(1, 10_000).default(1),
  /** Shards that are worked on at once. A new AWS account allows ten functions at once in all: ask for more first. */
  OUTERLOOP_SHARD_CONCURRENCY: count(2, 1_000).default(50),

  /** Machines with a GPU evaluator that start together when jobs wait; 0: none, evaluators are boxes of your own. */
  OUTERLOOP_GPU_EVALUATORS: count(0, 100).default(0),
  /** Their image, built from `workers/evaluator/Dockerfile`. */
  OUTERLOOP_EVALUATOR_IMAGE: z.string().min(1).optional(),
  /** Machines to choose from, by comma; each must have one GPU. */
  OUTERLOOP_GPU_INSTANCE_TYPES: z
    .string()
    .transform((list) => list.split(",").map((type) => type.trim()))
    .pipe(z.array(z.string().regex(/^[a-z0-9-]+\.[a-z0-9]+$/)).min(1))
    .default(["g4dn.xlarge", "g5.xlarge", "g6.xlarge"]),
  /** How long there must have been no job before the machines end. Longer than a round: they stay over the run. */
  OUTERLOOP_GPU_IDLE_MINUTES: count(5, 720).default(15),
});

export type LogRetention = z.infer<typeof variables>["OUTERLOOP_LOG_RETENTION"];

/** What a stage is like. */
export interface Stage {
  name: string;
  /** True: its bucket outlives it, and nobody removes it by accident. */
  production: boolean;
  region: string;
  architecture: Architecture;
  logRetention: LogRetention;
  alarmEmail: string | undefined;
  api: { requestsPerSecond: number; burst: number; domain: string | undefined };
  cdn: boolean;
  size: RunSize;
  shardConcurrency: number;
  /** Undefined: no pool. */
  gpuPool: GpuPool | undefined;
}

/** The largest run that a stage is for. */
export interface RunSize {
  chunksPerShard: number;
  /** Values kept per chunk. */
  keep: number;
  /** Updates that are aggregated together at most. */
  maxSelected: number;
  /** Shards of an update. */
  shards: number;
  maxPeers: number;
  /** Rounds from one published state to the next. */
  stateEveryRounds: number;
}

export interface GpuPool {
  evaluators: number;
  image: string;
  instanceTypes: string[];
  idleMinutes: number;
}

export const APP = "outerloop";
export const PRODUCTION = "production";

/** Reads the settings of a stage (`invalid-setting`, with every variable that is wrong). */
export function readStage(name: string, environment: Readonly<Record<string, string | undefined>>): Stage {
  // `NAME= sst deploy` means: not set.
  const set = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ""));
  const parsed = variables.safeParse(set);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
    throw new OuterloopError("invalid-setting", `stage ${name} cannot be built: ${problems.join("; ")}`);
  }
  const found = parsed.data;
  return {
    name,
    production: name === PRODUCTION,
    region: found.OUTERLOOP_REGION,
    architecture: found.OUTERLOOP_ARCHITECTURE,
    logRetention: found.OUTERLOOP_LOG_RETENTION,
    alarmEmail: found.OUTERLOOP_ALARM_EMAIL,
    api: {
      requestsPerSecond: found.OUTERLOOP_API_RATE,
      burst: found.OUTERLOOP_API_BURST,
      domain: found.OUTERLOOP_API_DOMAIN,
    },
    cdn: found.OUTERLOOP_CDN,
    size: {
      chunksPerShard: found.OUTERLOOP_CHUNKS_PER_SHARD,
      keep: found.OUTERLOOP_KEEP,
      maxSelected: found.OUTERLOOP_MAX_SELECTED,
      shards: found.OUTERLOOP_SHARDS,
      maxPeers: found.OUTERLOOP_MAX_PEERS,
      stateEveryRounds: found.OUTERLOOP_STATE_EVERY_ROUNDS,
    },
    shardConcurrency: found.OUTERLOOP_SHARD_CONCURRENCY,
    gpuPool: gpuPool(found),
  };
}

function gpuPool(found: z.infer<typeof variables>): GpuPool | undefined {
  if (found.OUTERLOOP_GPU_EVALUATORS === 0) return undefined;
  const image = found.OUTERLOOP_EVALUATOR_IMAGE;
  if (image === undefined) {
    throw new OuterloopError(
      "invalid-setting",
      "OUTERLOOP_GPU_EVALUATORS asks for a pool, so OUTERLOOP_EVALUATOR_IMAGE must name the image: build " +
        "workers/evaluator/Dockerfile and push it first",
    );
  }
  return {
    evaluators: found.OUTERLOOP_GPU_EVALUATORS,
    image,
    instanceTypes: found.OUTERLOOP_GPU_INSTANCE_TYPES,
    idleMinutes: found.OUTERLOOP_GPU_IDLE_MINUTES,
  };
}
