/**
 * Reference of error feedback and compression: e <- beta * e + delta; record = Q(TopK(e)); e <- e - record
 * (SparseLoCo, arXiv 2508.15706, algorithm 1), under arithmetic profile 1 of `docs/protocol.md`: every f32
 * operation is rounded by itself. Here that is `Math.fround`, or a store to a Float32Array, around each one.
 *
 * @module
 */
import { fromBfloat16, readerOf, toBfloat16, type Vector } from "./bfloat16.ts";
import { CHUNK } from "./layout.ts";
import { emptyEntries, packRecord, type RecordFormat } from "./record.ts";

const { fround } = Math;

/**
 * Compresses the chunks of one tensor part.
 *
 * @param delta - pseudo-gradient, f32 or bfloat16 (widened, which is exact) `[elements]`; a last chunk with fewer than 4096 is padded with +0
 * @param error - e before, f32 `[elements]`; stays as it is
 * @param next - receives e after; shares memory with neither
 * @param records - receives one record per chunk
 * @returns the lowest element whose sum f32(f32(e * beta) + delta) is not finite (it is so whenever delta or e is not), or -1.
 *   Where there is one, `next` and `records` hold nothing of use.
 */
export function compress(
  delta: Vector,
  error: Float32Array,
  next: Float32Array,
  beta: number,
  format: RecordFormat,
  records: Uint8Array,
): number {
  const x = new Float32Array(CHUNK);
  const deltaAt = readerOf(delta);
  for (let first = 0, at = 0; first < delta.length; first += CHUNK, at += format.recordBytes) {
    const elements = Math.min(CHUNK, delta.length - first);
    for (let i = 0; i < elements; i++) {
      x[i] = fround((error[first + i] as number) * beta) + deltaAt(first + i);
      if (!Number.isFinite(x[i])) return first + i;
    }
    x.fill(0, elements);
    compressChunk(x, format, records.subarray(at, at + format.recordBytes));
    next.set(x.subarray(0, elements), first);
  }
  return -1;
}

/** `x` is `[4096]`: e + delta before, the residual after. */
function compressChunk(x: Float32Array, format: RecordFormat, record: Uint8Array): void {
  const entries = emptyEntries(format);
  const { indices, codes } = entries;
  selectLargest(x, format.k, indices);
  const kept = Float32Array.from(indices, (index) => x[index] as number);
  const magnitudes = kept.map(Math.abs);
  const { threshold, low, high } = quantise(magnitudes);
  entries.low = toBfloat16(low);
  entries.high = toBfloat16(high);
  const levels = [fromBfloat16(entries.low), fromBfloat16(entries.high)] as const;
  kept.forEach((value, j) => {
    const isHigh = (magnitudes[j] as number) >= threshold;
    const isNegative = value < 0 || Object.is(value, -0);
    const level = isHigh ? levels[1] : levels[0];
    codes[j] = (isNegative ? 2 : 0) | (isHigh ? 1 : 0);
    x[indices[j] as number] = isNegative ? value + level : value - level;
  });
  packRecord(format, entries, record);
}

/**
 * The k largest magnitudes, ties to the lower index, in ascending index order. Magnitudes compare as integers:
 * the bits without the sign. A histogram over their upper 11 bits finds the bin of the k-th largest; only that
 * bin is sorted.
 */
function selectLargest(x: Float32Array, k: number, indices: Uint16Array): void {
  const bits = new Uint32Array(x.buffer, x.byteOffset, x.length);
  const keyAt = (i: number) => (bits[i] as number) & 0x7fffffff;
  const counts = new Uint16Array(2048);
  for (let i = 0; i < bits.length; i++) {
    const bin = keyAt(i) >> 20;
    counts[bin] = (counts[bin] as number) + 1;
  }
  let bin = counts.length - 1;
  let above = 0;
  while (above + (counts[bin] as number) < k) above += counts[bin--] as number;

  const inBin: number[] = [];
  for (let i = 0; i < bits.length; i++) if (keyAt(i) >> 20 === bin) inBin.push(keyAt(i));
  inBin.sort((a, b) => b - a);
  const threshold = inBin[k - above - 1] as number;
  let ties = k - above - inBin.indexOf(threshold);
  for (let i = 0, filled = 0; filled < k; i++) {
    const key = keyAt(i);
    if (key > threshold || (key === threshold && ties-- > 0)) indices[filled++] = i;
  }
}

/** Two levels for k magnitudes by two Lloyd steps from their mean. Entries from `threshold` on are high. */
function quantise(a: Float32Array): { threshold: number; low: number; high: number } {
  const k = a.length;
  let threshold = fround(laneTreeSum(a) / k);
  for (let pass = 0; ; pass++) {
    const above = a.map((value) => (value >= threshold ? value : 0));
    const below = a.map((value) => (value >= threshold ? 0 : value));
    const count = a.reduce((sum, value) => (value >= threshold ? sum + 1 : sum), 0);
    const high = count > 0 ? fround(laneTreeSum(above) / count) : threshold;
    const low = count < k ? fround(laneTreeSum(below) / (k - count)) : threshold;
    if (pass === 2) return { threshold, low, high };
    threshold = fround(fround(low + high) * 0.5);
  }
}

/** Eight running sums, then ((0+4)+(2+6)) + ((1+5)+(3+7)): the order a vector unit adds in, fixed for all. */
function laneTreeSum(values: Float32Array): number {
  const lanes = new Float32Array(8);
  values.forEach((value, i) => {
    lanes[i & 7] = (lanes[i & 7] as number) + value;
  });
  for (let width = 4; width >= 1; width /= 2) {
    for (let lane = 0; lane < width; lane++) {
      lanes[lane] = (lanes[lane] as number) + (lanes[lane + width] as number);
    }
  }
  return lanes[0] as number;
}
