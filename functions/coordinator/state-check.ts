/**
 * The state check: a commit carries the hash of the state it was trained from, and an HMAC over a few parameter
 * slices that only the roster's seed names. A gate with a useful answer ("you are behind"), no proof of possession.
 *
 * @module
 */
import { createHash, createHmac } from "node:crypto";
import { toHex } from "../../schemas/index.ts";
import { Draw } from "./draws.ts";

const SLICES = 8;
const SLICE_ELEMENTS = 64;

/** Element ranges [start, end) of the flat parameters that this round's proof covers. */
export function proofRanges(rosterSeed: string, parameters: number): { start: number; end: number }[] {
  const draw = new Draw(rosterSeed, "state-proof");
  const size = Math.min(SLICE_ELEMENTS, parameters);
  return Array.from({ length: SLICES }, () => {
    const start = draw.integer(parameters - size + 1);
    return { start, end: start + size };
  });
}

/** HMAC-SHA-256(seed, public key, slices). `slices` are the float32 bytes of {@link proofRanges}, in order. */
export function stateProof(rosterSeed: string, peer: string, slices: readonly Uint8Array[]): string {
  const hmac = createHmac("sha256", Buffer.from(rosterSeed, "hex")).update(Buffer.from(peer, "hex"));
  for (const slice of slices) hmac.update(slice);
  return toHex(hmac.digest());
}

/** SHA-256 over the shards' SHA-256 digests, in shard order: the hash of a whole state. */
export function stateHash(shardDigests: readonly string[]): string {
  const hash = createHash("sha256");
  for (const digest of shardDigests) hash.update(Buffer.from(digest, "hex"));
  return toHex(hash.digest());
}
