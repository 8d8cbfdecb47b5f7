/**
 * The folder of an embedded run: one bucket for all runs, and beside it the secrets and states that each process of a
 * run keeps for itself.
 *
 * ```
 * bucket/                    the object store, unless it is elsewhere
 * current.json               the newest run: id, options, keys of its holders
 * runs/{run}/coordinator/    queues
 * runs/{run}/peer-1/ …       key and state of each peer
 * runs/{run}/evaluator-1/ …  key of each evaluator
 * ```
 *
 * @module
 */
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { SecretStore } from "../../functions/secrets/secret-store.ts";
import { bytes32Hex, OuterloopError, publicKeyHex, runId } from "../../schemas/index.ts";
import { storageSchema } from "../operator/storage-options.ts";

/** A bucket and queues of services that speak S3's and SQS's protocols. Credentials are never written down. */
export const cloudStorage = z.strictObject({ kind: z.literal("s3"), ...storageSchema.shape });
export type CloudStorage = z.infer<typeof cloudStorage>;

/** What `up` must know to resume a run. Holds secrets: readable by its owner alone. */
export const currentRun = z.strictObject({
  run: runId,
  /** Counts the runs of this folder, from 1. */
  number: z.int().min(1),
  options: z.strictObject({
    rounds: z.int(),
    peers: z.int(),
    saboteurs: z.int(),
    evaluators: z.int(),
    seed: z.string().nullable(),
  }),
  storage: z
    .discriminatedUnion("kind", [z.strictObject({ kind: z.literal("folder") }), cloudStorage])
    .default({ kind: "folder" }),
  coordinatorSeed: bytes32Hex,
  apiSeed: bytes32Hex,
  chainId: bytes32Hex,
  lastLink: bytes32Hex,
  chainLinks: z.int(),
  ticketSecret: bytes32Hex,
  peers: z.array(z.strictObject({ name: z.string(), peer: publicKeyHex, behaviour: z.string() })),
  evaluators: z.array(z.strictObject({ name: z.string() })),
});
export type CurrentRun = z.infer<typeof currentRun>;

export const folders = {
  bucket: (dataDir: string) => join(dataDir, "bucket"),
  run: (dataDir: string, run: string) => join(dataDir, "runs", run),
  member: (dataDir: string, run: string, name: string) => join(dataDir, "runs", run, name),
};

/** What opens that bucket. */
export function s3OptionsOf({ bucket, endpoint, region, profile }: CloudStorage) {
  return { bucket, region, profile, ...(endpoint === undefined ? {} : { endpoint }) };
}

/** The secrets of the newest run, and of no other. */
export function secretsOfCurrent(current: CurrentRun): Pick<SecretStore, "coordinator" | "api"> {
  return {
    coordinator: async (run) => (run === current.run ? current : null),
    api: async (run) => (run === current.run ? current : null),
  };
}

const fileOf = (dataDir: string) => join(dataDir, "current.json");

/** Null: no run was ever made here. `damaged-folder`: the file is not what `up` writes. */
export async function readCurrentRun(dataDir: string): Promise<CurrentRun | null> {
  const text = await readFile(fileOf(dataDir), "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return null;
    throw error;
  });
  if (text === null) return null;
  try {
    return currentRun.parse(JSON.parse(text));
  } catch (error) {
    throw new OuterloopError(
      "damaged-folder",
      `${fileOf(dataDir)} is not readable as a run: choose another --data-dir`,
      {},
      error,
    );
  }
}

/** Replaces the file at once: a kill leaves the old one or the new one. */
export async function writeCurrentRun(dataDir: string, current: CurrentRun): Promise<void> {
  await mkdir(dataDir, { recursive: true });
  const part = `${fileOf(dataDir)}.part`;
  const file = await open(part, "w", 0o600);
  try {
    await file.writeFile(`${JSON.stringify(current, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(part, fileOf(dataDir));
}
