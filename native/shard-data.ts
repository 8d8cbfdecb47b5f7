/**
 * The data of a shard, of one peer or of several side by side: views of its parts, and whether it is valid.
 *
 * @module
 */
import { OuterloopError } from "../schemas/errors.ts";
import { recordAt } from "./decode.ts";
import type { Kernels } from "./kernels.ts";
import { CHUNK, piecesOf, type ShardLayout, type TensorPart } from "./layout.ts";
import { findInvalidRaw } from "./raw.ts";
import { type KeepCount, recordFault, recordFormat } from "./record.ts";

/** The records of one tensor part, as a view. */
export function partRecords(part: TensorPart, records: Uint8Array, k: KeepCount, peers = 1): Uint8Array {
  const stride = recordFormat(k).recordBytes * peers;
  return records.subarray(part.firstChunk * stride, (part.firstChunk + part.chunks) * stride);
}

/** The values of one raw tensor, as a view. */
export function partRaw(part: TensorPart, raw: Uint8Array, peers = 1): Uint8Array {
  const stride = 2 * peers;
  return raw.subarray(part.firstRaw * stride, (part.firstRaw + part.elements) * stride);
}

/**
 * Checks the records of one or more peers.
 *
 * @param records - chunk-major `[chunks x peers x recordBytes]`, from chunk `from` of the shard on
 * @throws `invalid-record`
 */
export function checkRecords(
  kernels: Kernels,
  shard: ShardLayout,
  k: KeepCount,
  records: Uint8Array,
  { from = 0, peers = 1 }: { from?: number; peers?: number },
): void {
  if (peers === 0) return;
  const format = recordFormat(k);
  const stride = format.recordBytes * peers;
  for (const piece of piecesOf(shard, from, from + records.length / stride)) {
    const own = records.subarray((piece.chunk - from) * stride, (piece.chunk - from + piece.chunks) * stride);
    const at = kernels.findInvalid(own, k, piece.elements, peers);
    if (at < 0) continue;
    const chunk = Math.floor(at / peers);
    const elements = Math.min(CHUNK, piece.elements - CHUNK * chunk);
    const reason = recordFault(format, recordAt(own, format, at), elements);
    throw new OuterloopError(
      "invalid-record",
      `shard ${shard.number}, chunk ${piece.chunk + chunk}: ${reason}`,
      { shard: shard.number, chunk: piece.chunk + chunk, peer: at % peers, reason },
    );
  }
}

/**
 * Checks the raw values of one or more peers.
 *
 * @param raw - element-major `[rawElements x peers x 2]`
 * @throws `invalid-raw-value`
 */
export function checkRaw(shard: ShardLayout, raw: Uint8Array, peers = 1): void {
  const at = findInvalidRaw(raw);
  if (at < 0) return;
  const element = Math.floor(at / peers);
  throw new OuterloopError(
    "invalid-raw-value",
    `shard ${shard.number}, raw element ${element}: the value is not finite`,
    { shard: shard.number, element, peer: at % peers },
  );
}
