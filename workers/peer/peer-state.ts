/**
 * What a peer must not lose: parameters, error feedback, AdamW moments, its place in the chain, and a payload that is
 * not settled yet. Saved so that a kill at any moment leaves either the state before or the state after.
 *
 * Large vectors go to new files first; then one small file, replaced by a rename, names them. Files that nothing names
 * are removed at the next save.
 *
 * @module
 */
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import {
  type Commit,
  commit as commitSchema,
  OuterloopError,
  roundNumber,
  runId,
  sha256,
  sha256Hex,
} from "../../schemas/index.ts";

const POSITION = "position.json";

/** A payload between compression and the verdict about it. */
export interface PendingUpdate {
  round: number;
  /** The commit, as it will be (or was) sent. */
  commit: Commit;
  /** One SLC1 object per shard. */
  shards: Uint8Array[];
}

export interface PeerState {
  /** Round whose manifest the parameters are after; never goes back. */
  round: number;
  manifest: string;
  /** The peer's own inner steps so far: bias corrections and learning rate go by these. */
  innerSteps: number;
  parameters: Float32Array;
  error: Float32Array;
  m: Float32Array;
  v: Float32Array;
  pending: PendingUpdate | null;
}

const position = z.strictObject({
  run: runId,
  round: roundNumber,
  manifest: sha256Hex,
  innerSteps: z.int().min(0),
  /** File names of the vectors, and the digest of each. */
  vectors: z.record(
    z.enum(["parameters", "error", "m", "v"]),
    z.strictObject({ file: z.string(), sha256: sha256Hex }),
  ),
  pending: z.strictObject({ commit: commitSchema, files: z.array(z.string()) }).nullable(),
});
type Position = z.infer<typeof position>;
type VectorName = keyof Position["vectors"];

export interface PeerStateStore {
  /** Null: nothing saved yet. `damaged-state`: files were changed by something else. */
  load(): Promise<PeerState | null>;
  save(state: PeerState): Promise<void>;
}

export async function openPeerStateStore(folder: string, run: string): Promise<PeerStateStore> {
  await mkdir(folder, { recursive: true });
  /** Vectors are saved again only when they changed: the caller replaces arrays, it never writes into saved ones. */
  let last: { state: PeerState; position: Position } | null = null;
  let serial = Date.now();

  return {
    async load() {
      const text = await readIfThere(join(folder, POSITION));
      if (text === null) return null;
      const saved = parsePosition(join(folder, POSITION), text);
      if (saved.run !== run) {
        throw new OuterloopError(
          "damaged-state",
          `${folder} belongs to run ${saved.run}, not to ${run}: use another folder`,
        );
      }
      const vector = async (name: VectorName) => {
        const { file, sha256: digest } = saved.vectors[name];
        const bytes = await readFile(join(folder, file)).catch(() => null);
        if (bytes === null || sha256(bytes) !== digest) {
          throw new OuterloopError(
            "damaged-state",
            `${join(folder, file)} is not as it was saved: remove the folder to begin anew`,
          );
        }
        return new Float32Array(new Uint8Array(bytes).buffer);
      };
      const payload = async (file: string, digest: string | undefined) => {
        const bytes = await readFile(join(folder, file)).catch(() => null);
        if (bytes === null || sha256(bytes) !== digest) {
          throw new OuterloopError(
            "damaged-state",
            `${join(folder, file)} is not the payload that was committed: remove the folder to begin anew`,
          );
        }
        return new Uint8Array(bytes);
      };
      const state: PeerState = {
        round: saved.round,
        manifest: saved.manifest,
        innerSteps: saved.innerSteps,
        parameters: await vector("parameters"),
        error: await vector("error"),
        m: await vector("m"),
        v: await vector("v"),
        pending: saved.pending && {
          round: saved.pending.commit.round,
          commit: saved.pending.commit,
          shards: await Promise.all(
            saved.pending.files.map((file, shard) =>
              payload(file, saved.pending?.commit.shards[shard]?.sha256),
            ),
          ),
        },
      };
      last = { state, position: saved };
      return state;
    },

    async save(state) {
      const previous = last;
      serial++;
      const saveVector = async (name: VectorName) => {
        if (previous !== null && previous.state[name] === state[name]) return previous.position.vectors[name];
        const { buffer, byteOffset, byteLength } = state[name];
        const bytes = new Uint8Array(buffer, byteOffset, byteLength);
        const file = `${name}-${serial}.f32`;
        await writeDurably(join(folder, file), bytes);
        return { file, sha256: sha256(bytes) };
      };
      const savePending = async (pending: PendingUpdate | null) => {
        if (pending === null) return null;
        const { commit } = pending;
        if (previous?.state.pending?.shards === pending.shards && previous.position.pending !== null) {
          return { commit, files: previous.position.pending.files };
        }
        const files = pending.shards.map((_, shard) => `payload-${serial}-${shard}.slc`);
        await Promise.all(
          pending.shards.map((bytes, shard) => writeDurably(join(folder, files[shard] ?? ""), bytes)),
        );
        return { commit, files };
      };
      const [parameters, error, m, v, pending] = await Promise.all([
        saveVector("parameters"),
        saveVector("error"),
        saveVector("m"),
        saveVector("v"),
        savePending(state.pending),
      ]);
      const { round, manifest, innerSteps } = state;
      const next: Position = {
        run,
        round,
        manifest,
        innerSteps,
        vectors: { parameters, error, m, v },
        pending,
      };
      await writeDurably(join(folder, `${POSITION}.part`), Buffer.from(JSON.stringify(next)));
      await rename(join(folder, `${POSITION}.part`), join(folder, POSITION));
      await syncFolder(folder);
      last = { state, position: next };
      await removeUnnamed(folder, next);
    },
  };
}

/** Null only where there is no such file: any other fault must not look like a first start. */
async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

function parsePosition(path: string, text: string): Position {
  try {
    return position.parse(JSON.parse(text));
  } catch (error) {
    const message = `${path} is not the state of a peer of this version: remove its folder to begin anew`;
    throw new OuterloopError("damaged-state", message, {}, error);
  }
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "w");
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function removeUnnamed(folder: string, { vectors, pending }: Position): Promise<void> {
  const named = new Set([...Object.values(vectors).map(({ file }) => file), ...(pending?.files ?? [])]);
  for (const file of await readdir(folder)) {
    if (/\.(f32|slc)$/.test(file) && !named.has(file)) await rm(join(folder, file), { force: true });
  }
}
