/**
 * Reference of everything that reads records one submission at a time: validity, norms, dense values, and
 * adding an update to a vector. Record arrays hold one record per chunk of a tensor part, back to back.
 *
 * @module
 */
import { fromBfloat16 } from "./bfloat16.ts";
import { CHUNK } from "./layout.ts";
import { emptyEntries, levelValues, type RecordFormat, recordFault, unpackRecord } from "./record.ts";

/**
 * Looks for a record that is not valid.
 *
 * @param records - chunk-major: for each chunk one record of each of `peers` peers
 * @param elements - real elements of the tensor part
 * @returns the position of the first such record in the array, or -1.
 */
export function findInvalid(
  records: Uint8Array,
  format: RecordFormat,
  elements: number,
  peers: number,
): number {
  const { recordBytes } = format;
  for (let at = 0; at * recordBytes < records.length; at++) {
    const left = elements - CHUNK * Math.floor(at / peers);
    const record = records.subarray(at * recordBytes, (at + 1) * recordBytes);
    if (recordFault(format, record, Math.min(CHUNK, left)) !== null) return at;
  }
  return -1;
}

/** Squared norm of each record: high^2 * n_high + low^2 * (k - n_high) in f64. Padding entries count. */
export function recordNorms(records: Uint8Array, format: RecordFormat, norms: Float64Array): void {
  const entries = emptyEntries(format);
  for (let chunk = 0; chunk < norms.length; chunk++) {
    unpackRecord(format, recordAt(records, format, chunk), entries);
    let high = 0;
    for (const code of entries.codes) high += code & 1;
    norms[chunk] =
      fromBfloat16(entries.high) ** 2 * high + fromBfloat16(entries.low) ** 2 * (format.k - high);
  }
}

/** Dense values; `out` is `[elements]`. What no record keeps is +0. */
export function decode(records: Uint8Array, format: RecordFormat, out: Float32Array): void {
  out.fill(0);
  forEachValue(records, format, 1, out.length, (i, value) => {
    out[i] = value;
  });
}

/** out_i <- f32(out_i + f32(value_i * factor)) at every kept entry; other elements keep their bits. */
export function addScaled(
  records: Uint8Array,
  format: RecordFormat,
  factor: number,
  out: Float32Array,
): void {
  forEachValue(records, format, factor, out.length, (i, value) => {
    out[i] = (out[i] as number) + value;
  });
}

/** The record of one chunk, as a view. */
export function recordAt(records: Uint8Array, { recordBytes }: RecordFormat, chunk: number): Uint8Array {
  return records.subarray(chunk * recordBytes, (chunk + 1) * recordBytes);
}

function forEachValue(
  records: Uint8Array,
  format: RecordFormat,
  factor: number,
  elements: number,
  visit: (element: number, value: number) => void,
): void {
  const entries = emptyEntries(format);
  for (let chunk = 0; chunk * CHUNK < elements; chunk++) {
    unpackRecord(format, recordAt(records, format, chunk), entries);
    const values = levelValues(entries, factor);
    for (let j = 0; j < format.k; j++) {
      const element = CHUNK * chunk + (entries.indices[j] as number);
      if (element < elements) visit(element, values[entries.codes[j] as number] as number);
    }
  }
}
