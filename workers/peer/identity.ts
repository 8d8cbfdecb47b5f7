/**
 * A process's identity: a 32-byte seed in a file that only its owner may read.
 *
 * @module
 */
import { chmod, link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  bytes32Hex,
  fromHex,
  OuterloopError,
  type SigningKey,
  signingKey,
  toHex,
} from "../../schemas/index.ts";

const FILE = "key";

/** The key kept in a folder; the first call makes it (from `seed`, if given). */
export async function loadIdentity(folder: string, seed?: Uint8Array): Promise<SigningKey> {
  const path = join(folder, FILE);
  await mkdir(folder, { recursive: true });
  const kept = await readKey(path);
  if (kept !== null) return kept;
  const key = signingKey(seed);
  // Whole before it has its name; a link, not a rename: of two processes that make a key, one wins and both use it.
  const part = `${path}.${process.pid}`;
  await writeFile(part, `${toHex(key.seed)}\n`, { mode: 0o600, flush: true });
  try {
    await link(part, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(part);
  }
  return (await readKey(path)) ?? key;
}

/** The key kept in a folder; null: there is none. */
export function findIdentity(folder: string): Promise<SigningKey | null> {
  return readKey(join(folder, FILE));
}

async function readKey(path: string): Promise<SigningKey | null> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  const parsed = bytes32Hex.safeParse(text.trim());
  if (parsed.success) {
    // A copied file may have come with other rights.
    await chmod(path, 0o600);
    return signingKey(fromHex(parsed.data));
  }
  throw new OuterloopError("invalid-key", `${path} must hold 64 hex digits: the seed of an Ed25519 key`);
}
