/**
 * The training text: downloaded once, checked, kept on disk.
 *
 * @module
 */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type DataIndex, keys, OuterloopError, sha256 } from "../../schemas/index.ts";
import type { RunView } from "./run-view.ts";

export type Tokens = Uint16Array | Uint32Array;

/** Bytes of a `uint32`. */
const LARGEST_TOKEN = 4;

/** All tokens of the run, shards joined. `folder` keeps them for the next start. */
export async function loadTokens(view: RunView, folder: string): Promise<Tokens> {
  const { data } = view;
  await mkdir(folder, { recursive: true });
  const parts = await Promise.all(data.shards.map((one) => loadShard(view, folder, one)));
  const bytes = Buffer.concat(parts);
  const tokens =
    data.tokenType === "uint16" ? new Uint16Array(bytes.length / 2) : new Uint32Array(bytes.length / 4);
  new Uint8Array(tokens.buffer).set(bytes);
  if (tokens.length !== data.tokens) {
    throw new OuterloopError(
      "wrong-data",
      `the data index promises ${data.tokens} tokens, its shards hold ${tokens.length}`,
    );
  }
  return tokens;
}

async function loadShard(
  view: RunView,
  folder: string,
  { shard, tokens, sha256: digest }: DataIndex["shards"][number],
): Promise<Uint8Array> {
  const file = join(folder, `${digest}.bin`);
  const kept = await readFile(file).catch(() => null);
  if (kept !== null && sha256(kept) === digest) return kept;
  const key = keys.dataShard(view.run, shard);
  const bytes = await view.api.object(key, LARGEST_TOKEN * tokens);
  if (bytes === null || sha256(bytes) !== digest) {
    throw new OuterloopError("wrong-data", `${key} is missing or not the one that was signed`, { key });
  }
  await writeFile(`${file}.part`, bytes);
  await rename(`${file}.part`, file);
  return bytes;
}
