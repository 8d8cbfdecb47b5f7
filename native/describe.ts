/**
 * What an SLC1 object says of itself: for tools that look at one without knowing the run it is of.
 *
 * @module
 */
import { OuterloopError } from "../schemas/errors.ts";
import { toHex } from "../schemas/primitives.ts";
import type { Expected } from "./container-head.ts";
import { CHUNK, type ShardLayout, type TensorPart } from "./layout.ts";
import { KEEP_COUNTS } from "./record.ts";

const HEADER_BYTES = 64;
const ENTRY_BYTES = 32;

/** Length of the part of an object that describes it, as it says. `header`: the first bytes of that length without one. */
export function describedBytes(header?: Uint8Array): number {
  if (header === undefined || header.length < HEADER_BYTES) return HEADER_BYTES;
  return HEADER_BYTES + ENTRY_BYTES * new DataView(header.buffer, header.byteOffset).getUint32(12, true);
}

/**
 * The expectation that an object meets if it is sound. Nothing is believed by it: parsing with it compares every field,
 * but the schema id, with one another and with the data. Tensors have no names in an object: they are numbered.
 *
 * @param bytes - the object, or its first {@link describedBytes}
 * @param sizeBytes - length of the object
 * @throws `invalid-container` for what is no SLC1 object, or too short for its own tables.
 */
export function expectationOf(bytes: Uint8Array, sizeBytes: number = bytes.length): Expected {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const magic = view.toString("latin1", 0, 4);
  if (sizeBytes >= HEADER_BYTES && magic === "SLA1")
    throw invalid("expected an SLC1 object, the update of one peer; this is an aggregate of several (.sla)");
  if (view.length < HEADER_BYTES || magic !== "SLC1")
    throw invalid(
      `expected an SLC1 object of at least ${HEADER_BYTES} bytes, got ${sizeBytes} bytes that begin with ${toHex(view.subarray(0, 4))}`,
    );
  const k = KEEP_COUNTS.find((one) => Math.log2(one) === view.readUInt8(33));
  if (k === undefined) throw invalid(`log2 of k is ${view.readUInt8(33)}, expected 4 to 8`);
  const count = view.readUInt32LE(12);
  if (view.length < HEADER_BYTES + ENTRY_BYTES * count)
    throw invalid(`${count} tensor parts do not fit into ${sizeBytes} bytes`);

  const parts: TensorPart[] = [];
  let [elements, chunks, rawElements] = [0, 0, 0];
  for (let tensor = 0; tensor < count; tensor++) {
    const at = HEADER_BYTES + ENTRY_BYTES * tensor;
    const own = Number(view.readBigUInt64LE(at + 8));
    const raw = view.readUInt8(at + 23) === 1;
    if (own === 0 || (raw && own >= CHUNK))
      throw invalid(
        `tensor part ${tensor} has ${own} ${raw ? "raw " : ""}elements: no layout has such a part`,
      );
    const part: TensorPart = {
      tensor,
      first: elements,
      elements: own,
      chunks: raw ? 0 : Math.ceil(own / CHUNK),
      raw,
      firstChunk: chunks,
      firstRaw: rawElements,
    };
    parts.push(part);
    elements += own;
    chunks += part.chunks;
    rawElements += raw ? own : 0;
    // Whatever holds so many elements is larger than this object; numbers beyond are no longer exact.
    if (elements > CHUNK * sizeBytes)
      throw invalid(`tensor part ${tensor} has ${own} elements: more than ${sizeBytes} bytes can hold`);
  }
  const number = view.readUInt16LE(38);
  const shards: ShardLayout[] = [];
  shards[number] = { number, first: 0, elements, chunks, rawElements, parts };
  return {
    layout: {
      tensors: parts.map((part) => ({ name: `${part.tensor}`, shape: [part.elements] })),
      parameters: elements,
      schemaDigest: toHex(view.subarray(48, 56)).padEnd(64, "0"),
      shards,
    },
    shard: number,
    round: view.readUInt32LE(40),
    k,
  };
}

function invalid(message: string): OuterloopError {
  return new OuterloopError("invalid-container", message);
}
