/**
 * The published parameters: shards of float32, little-endian, one object each.
 *
 * @module
 */
import { keys, OuterloopError } from "../../schemas/index.ts";
import type { RunContext } from "./run-context.ts";

const BYTES_PER_ELEMENT = 4;

/** Bytes of elements [start, end) of the flat parameters after a round, wherever shards are cut. */
export async function readElements(
  context: RunContext,
  round: number,
  start: number,
  end: number,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (const shard of context.layout.shards) {
    const from = Math.max(start, shard.first);
    const to = Math.min(end, shard.first + shard.elements);
    if (from >= to) continue;
    const key = keys.stateShard(context.run, round, shard.number);
    const offset = (element: number) => BYTES_PER_ELEMENT * (element - shard.first);
    const bytes = await context.store.range(key, offset(from), offset(to));
    if (bytes === null)
      throw new OuterloopError("missing-fact", `${key} should be in the bucket, but is not`, { key });
    parts.push(bytes);
  }
  return Buffer.concat(parts);
}

/** A shard's bytes as a Float32Array of its own (objects may start at any offset of a larger buffer). */
export function toElements(bytes: Uint8Array): Float32Array {
  return new Float32Array(bytes.slice().buffer);
}

/** The bytes of a Float32Array, without a copy. The project runs on little-endian hosts only. */
export function toBytes(elements: Float32Array): Uint8Array {
  return new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength);
}
