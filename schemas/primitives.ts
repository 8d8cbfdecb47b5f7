/**
 * The small types every contract is made of: hexadecimal bytes, float bits, instants, identities.
 *
 * Integers stay below 2^53. A float that decides anything is written as its bits in hex (big-endian, the way
 * one reads a number), so that every reader holds the very same value.
 *
 * @module
 */
import { z } from "zod";

const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`));

/** SHA-256 digest: 64 lowercase hex digits. */
export const sha256Hex = hex(32);
/** A peer, evaluator or coordinator: its Ed25519 public key, 64 lowercase hex digits. */
export const publicKeyHex = hex(32);
/** Ed25519 signature: 128 lowercase hex digits. */
export const signatureHex = hex(64);
/** 32 secret or drawn bytes (a link of the seed chain, an HMAC). */
export const bytes32Hex = hex(32);
/** The bits of a float32, 8 hex digits: 0.95 is `3f733333`. */
export const f32Hex = hex(4);
/** The bits of a float64, 16 hex digits. */
export const f64Hex = hex(8);
/** A point in time, ISO 8601 in UTC with milliseconds: `2026-01-31T12:00:00.000Z`. Always the store's clock. */
export const instant = z.iso.datetime({ precision: 3 });
/** Rounds count from 1; 0 stands for the genesis. */
export const roundNumber = z.int().min(0).max(99_999_999);
/** Shard number within an update, from 0. */
export const shardNumber = z.int().min(0).max(65_535);
/** Slug of a run: lowercase letters, digits and single hyphens. */
export const slug = z
  .string()
  .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/)
  .max(40);
/** Run id: the slug, a hyphen, and the first 16 bytes of the genesis hash in hex. */
export const runId = z
  .string()
  // Before the expression runs: it must not meet a text of megabytes.
  .max(73, { abort: true })
  .regex(/^[a-z0-9]+(-[a-z0-9]+)*-[0-9a-f]{32}$/);
/** Duration in seconds; fractions are allowed because embedded runs have short windows. */
export const seconds = z.number().min(0).max(31_536_000);
/** A size in bytes. */
export const sizeBytes = z.int().min(0);

export type Instant = z.infer<typeof instant>;

/** Milliseconds since 1970 -> {@link Instant}. */
export function toInstant(milliseconds: number): Instant {
  return new Date(milliseconds).toISOString();
}

/** {@link Instant} -> milliseconds since 1970. */
export function toMilliseconds(at: Instant): number {
  return Date.parse(at);
}

const view = new DataView(new ArrayBuffer(8));

/** Rounds to float32 once and writes the bits. */
export function f32ToHex(value: number): string {
  view.setFloat32(0, value);
  return view.getUint32(0).toString(16).padStart(8, "0");
}

/** Reads the bits of a float32. */
export function f32FromHex(bits: string): number {
  view.setUint32(0, Number.parseInt(bits, 16));
  return view.getFloat32(0);
}

/** Writes the bits of a float64. */
export function f64ToHex(value: number): string {
  view.setFloat64(0, value);
  return view.getBigUint64(0).toString(16).padStart(16, "0");
}

/** Reads the bits of a float64. */
export function f64FromHex(bits: string): number {
  view.setBigUint64(0, BigInt(`0x${bits}`));
  return view.getFloat64(0);
}

/** Bytes -> lowercase hex. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

/** Lowercase hex (already checked by a schema) -> bytes. */
export function fromHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "hex"));
}

/** Which updates are summed: all that were selected, or, if the guard refuses their sum, the established ones among them. */
export const aggregateSet = z.enum(["selected", "established"]);
export type AggregateSet = z.infer<typeof aggregateSet>;
