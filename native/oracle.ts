/**
 * The compression of `docs/protocol.md` written a third time, for the tests: naive and by other means than the
 * reference, so that both would have to be wrong in the same way.
 *
 * @module
 */
import { fromBfloat16, toBfloat16 } from "./bfloat16.ts";
import { CHUNK } from "./layout.ts";
import { recordFormat } from "./record.ts";

const { fround } = Math;

/** Records and error state after, by sorting everything, lanes as lists, and each record as one big integer. */
export function compressNaively(delta: Float32Array, state: Float32Array, beta: number, k: number) {
  const lowBits = 12n - BigInt(Math.log2(k));
  const error = new Float32Array(delta.length);
  const records: Buffer[] = [];
  for (let first = 0; first < delta.length; first += CHUNK) {
    const x = Array.from({ length: CHUNK }, (_, i) =>
      first + i < delta.length ? fround(fround((state[first + i] ?? 0) * beta) + (delta[first + i] ?? 0)) : 0,
    );
    const at = (i: number) => x[i] ?? Number.NaN;
    const kept = x
      .map((_, i) => i)
      .sort((i, j) => Math.abs(at(j)) - Math.abs(at(i)) || i - j)
      .slice(0, k)
      .sort((i, j) => i - j);
    const magnitudes = kept.map((i) => Math.abs(at(i)));
    let threshold = fround(laneSum(magnitudes) * (1 / k));
    let levels: [number, number] = [0, 0];
    let isHigh: boolean[] = [];
    for (let pass = 0; pass < 3; pass++) {
      const t = threshold;
      isHigh = magnitudes.map((a) => a >= t);
      const count = isHigh.filter(Boolean).length;
      const high = count > 0 ? fround(laneSum(magnitudes.map((a) => (a >= t ? a : 0))) / count) : t;
      const low = count < k ? fround(laneSum(magnitudes.map((a) => (a >= t ? 0 : a))) / (k - count)) : t;
      levels = [toBfloat16(low), toBfloat16(high)];
      threshold = fround(fround(low + high) * 0.5);
    }
    let record =
      (BigInt(levels[0]) | (BigInt(levels[1]) << 16n)) << (2n * BigInt(k) + BigInt(k) * (lowBits + 2n));
    kept.forEach((index, j) => {
      const sign = Object.is(at(index), -0) || at(index) < 0;
      const code = (sign ? 2n : 0n) | (isHigh[j] ? 1n : 0n);
      record |= 1n << ((BigInt(index) >> lowBits) + BigInt(j));
      const entry = (code << lowBits) | (BigInt(index) & ((1n << lowBits) - 1n));
      record |= entry << (2n * BigInt(k) + BigInt(j) * (lowBits + 2n));
      const level = fromBfloat16(levels[isHigh[j] ? 1 : 0]);
      x[index] = at(index) - (sign ? -level : level);
    });
    const hex = record.toString(16).padStart(2 * recordFormat(k).recordBytes, "0");
    records.push(Buffer.from(hex, "hex").reverse());
    error.set(x.slice(0, Math.min(CHUNK, delta.length - first)), first);
  }
  return { records: Buffer.concat(records), error };
}

function laneSum(values: number[]): number {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = Array.from({ length: 8 }, (_, lane) =>
    values.filter((_, i) => i % 8 === lane).reduce((sum, value) => fround(sum + value), 0),
  );
  return fround(fround(fround(a + e) + fround(c + g)) + fround(fround(b + f) + fround(d + h)));
}
