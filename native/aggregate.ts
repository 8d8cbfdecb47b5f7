/**
 * Reference of the outer step: theta <- theta - alpha * sum_p a_p * update_p (SparseLoCo, arXiv 2508.15706; no
 * outer momentum), under arithmetic profile 1 of `docs/protocol.md`.
 *
 * @module
 */
import { readerOf, type Vector, writerOf } from "./bfloat16.ts";
import { CHUNK } from "./layout.ts";
import { emptyEntries, levelValues, type RecordFormat, unpackRecord } from "./record.ts";

const { fround } = Math;

/**
 * One tensor part: accumulates the peers of a chunk in order, then applies once. A result that is not finite must not touch
 * `theta`, so it goes to `next`; whoever can throw theta away may give it as `next` too.
 *
 * @param records - valid records, chunk-major: chunk 0 of peer 0, of peer 1, ...
 * @param coefficients - f32 `[peers]`
 * @param theta - f32 or bfloat16 `[elements]`
 * @param next - receives the result, rounded to nearest even where it is bfloat16; of theta's type, `[elements]`
 * @returns the lowest element of `next` that is not finite, or -1.
 */
export function aggregate(
  records: Uint8Array,
  format: RecordFormat,
  coefficients: Float32Array,
  alpha: number,
  theta: Vector,
  next: Vector,
): number {
  const sum = new Float32Array(CHUNK);
  const entries = emptyEntries(format);
  let at = 0;
  let nonFinite = -1;
  const thetaAt = readerOf(theta);
  const nextAt = readerOf(next);
  const write = writerOf(next);
  for (let first = 0; first < theta.length; first += CHUNK) {
    sum.fill(0);
    for (const coefficient of coefficients) {
      unpackRecord(format, records.subarray(at, at + format.recordBytes), entries);
      at += format.recordBytes;
      const values = levelValues(entries, coefficient);
      for (let j = 0; j < format.k; j++) {
        const i = entries.indices[j] as number;
        sum[i] = (sum[i] as number) + (values[entries.codes[j] as number] as number);
      }
    }
    const end = Math.min(first + CHUNK, theta.length);
    for (let i = first; i < end; i++) {
      write(i, fround(thetaAt(i) - fround(alpha * (sum[i - first] as number))));
      if (nonFinite < 0 && !Number.isFinite(nextAt(i))) nonFinite = i;
    }
  }
  return nonFinite;
}
