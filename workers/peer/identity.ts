/**
 * A process's identity: a 32-byte seed in a file that only its owner may read.
 *
 * @module
 */
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
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
  const kept = await readFile(path, "utf8").catch(() => null);
  if (kept !== null) {
    const parsed = bytes32Hex.safeParse(kept.trim());
    if (!parsed.success)
      throw new OuterloopError("invalid-key", `${path} must hold 64 hex digits: the seed of an Ed25519 key`);
    return signingKey(fromHex(parsed.data));
  }
  const key = signingKey(seed);
  // `wx`: of two processes started on one folder, one makes the key and the other one fails loudly.
  await writeFile(path, `${toHex(key.seed)}\n`, { mode: 0o600, flag: "wx" });
  await chmod(path, 0o600);
  return key;
}
