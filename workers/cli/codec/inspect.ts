/**
 * `outerloop codec inspect`: an SLC1 object in words.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { fromBfloat16 } from "../../../native/bfloat16.ts";
import { CHUNK, loadCodec, type ParsedShard, recordFormat } from "../../../native/codec.ts";
import { recordAt } from "../../../native/decode.ts";
import { expectationOf } from "../../../native/describe.ts";
import { type Piece, piecesOf } from "../../../native/layout.ts";
import { emptyEntries, unpackRecord } from "../../../native/record.ts";

/** So many records are shown, and of each so many entries. */
const RECORDS_SHOWN = 3;
const ENTRIES_SHOWN = 12;

export interface InspectedRecord {
  chunk: number;
  /** Of the tensor: fewer than 4096 in its last chunk. */
  elements: number;
  low: number;
  high: number;
  /** Index within the chunk, and value. */
  entries: [number, number][];
}

/** What stands in an object. */
export interface Inspected {
  sizeBytes: number;
  round: number;
  shard: number;
  k: number;
  recordBytes: number;
  schemaId: string;
  elements: number;
  chunks: number;
  rawElements: number;
  parts: { elements: number; chunks: number; raw: boolean; norm: number }[];
  /** The first few. */
  records: InspectedRecord[];
}

/** Typed errors of parsing: what is not sound is not shown, but said. */
export async function inspect(path: string): Promise<Inspected> {
  const bytes = await readFile(path);
  const expected = expectationOf(bytes);
  const parsed = loadCodec().parseShard(bytes, expected);
  const { shard, k, round, layout, squaredNorms } = parsed;
  return {
    sizeBytes: bytes.length,
    round,
    shard: shard.number,
    k,
    recordBytes: recordFormat(k).recordBytes,
    schemaId: layout.schemaDigest.slice(0, 16),
    elements: shard.elements,
    chunks: shard.chunks,
    rawElements: shard.rawElements,
    parts: shard.parts.map(({ elements, chunks, raw }, i) => ({
      elements,
      chunks,
      raw,
      norm: Math.sqrt(squaredNorms[i] ?? 0),
    })),
    records: [...piecesOf(shard, 0, Math.min(RECORDS_SHOWN, shard.chunks), 1)].map((piece) =>
      recordOf(parsed, piece),
    ),
  };
}

function recordOf({ records, k }: ParsedShard, { chunk, elements }: Piece): InspectedRecord {
  const format = recordFormat(k);
  const entries = emptyEntries(format);
  unpackRecord(format, recordAt(records, format, chunk), entries);
  const [low, high] = [fromBfloat16(entries.low), fromBfloat16(entries.high)];
  const values = Array.from(entries.indices, (index, j): [number, number] => {
    const code = entries.codes[j] ?? 0;
    const level = code & 1 ? high : low;
    return [index, code & 2 ? -level : level];
  });
  // What stands behind the end of a tensor is padding.
  return { chunk, elements, low, high, entries: values.filter(([index]) => index < elements) };
}

/** For people. */
export function inspectedText(path: string, of: Inspected): string {
  const whole = (n: number) => n.toLocaleString("en-US");
  const bits = (8 * of.recordBytes) / of.k;
  const times = (4 * of.elements) / of.sizeBytes;
  const size = times < 1 ? "larger than as float32" : `${times.toFixed(1)} times smaller than float32`;
  const counted = (n: number, what: string) => `${whole(n)} ${what}${n === 1 ? "" : "s"}`;
  return [
    `${path}: SLC1 version 2, ${whole(of.sizeBytes)} bytes`,
    `shard ${of.shard} of round ${of.round}, schema ${of.schemaId}, k = ${of.k}: ${of.recordBytes} bytes a record, ${bits.toFixed(2)} bits a kept value`,
    `${counted(of.elements, "element")}: ${whole(of.elements - of.rawElements)} in ${counted(of.chunks, "chunk")} of ${CHUNK}, ${counted(of.rawElements, "raw value")}; ${size}`,
    "",
    ...of.parts.map(
      ({ elements, chunks, raw, norm }, i) =>
        `tensor part ${i}: ${counted(elements, "element")}, ${raw ? "raw bfloat16" : counted(chunks, "chunk")}, norm ${norm.toPrecision(6)}`,
    ),
    ...of.records.flatMap(recordText),
  ].join("\n");
}

function recordText({ chunk, elements, low, high, entries }: InspectedRecord): string[] {
  const isHigh = (value: number) => Math.abs(value) === high;
  const count = entries.filter(([, value]) => isHigh(value)).length;
  const shown = entries
    .slice(0, ENTRIES_SHOWN)
    .map(([index, value]) => `${index}: ${Object.is(value, -0) ? "-0" : value.toPrecision(4)}`);
  const more = entries.length - shown.length;
  return [
    "",
    `chunk ${chunk}: ${entries.length} of ${elements} kept, ${count} at ± ${high.toPrecision(4)} and ${entries.length - count} at ± ${low.toPrecision(4)}`,
    `  ${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}`,
  ];
}
