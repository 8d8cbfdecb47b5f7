/**
 * Draws that nobody can foresee and everybody can recompute: HKDF-SHA256 (RFC 5869) from a revealed link of the seed
 * chain with a named info string, integers by rejection sampling.
 *
 * @module
 */
import { createHash, hkdfSync } from "node:crypto";

const BLOCK_BYTES = 4_096;
const UINT32_RANGE = 2 ** 32;

/** A stream of unbiased integers for one purpose. Two purposes never share a stream. */
export class Draw {
  readonly #seed: Uint8Array;
  readonly #purpose: string;
  #block = 0;
  #bytes = Buffer.alloc(0);
  #at = 0;

  /** `seed`: 32 bytes in hex; `purpose` names the stream, for example `ties`. */
  constructor(seed: string, purpose: string) {
    this.#seed = Buffer.from(seed, "hex");
    this.#purpose = purpose;
  }

  #uint32(): number {
    if (this.#at + 4 > this.#bytes.length) {
      const info = `outerloop/v1/draw/${this.#purpose}/${this.#block++}`;
      this.#bytes = Buffer.from(hkdfSync("sha256", this.#seed, new Uint8Array(0), info, BLOCK_BYTES));
      this.#at = 0;
    }
    const value = this.#bytes.readUInt32LE(this.#at);
    this.#at += 4;
    return value;
  }

  /**
   * Uniform in 0 .. bound - 1, bound from 1 to 2^53: from 32 bits where they suffice, else from 53 (21 high ones first).
   * Values past the last whole multiple of `bound` are thrown away.
   */
  integer(bound: number): number {
    if (!Number.isSafeInteger(bound) || bound < 1) throw new RangeError(`cannot draw below ${bound}`);
    const range = bound <= UINT32_RANGE ? UINT32_RANGE : 2 ** 53;
    const limit = range - (range % bound);
    for (;;) {
      const value =
        range === UINT32_RANGE ? this.#uint32() : (this.#uint32() >>> 11) * UINT32_RANGE + this.#uint32();
      if (value < limit) return value % bound;
    }
  }

  /** A uniformly shuffled copy (Fisher-Yates). */
  shuffled<T>(items: readonly T[]): T[] {
    const out = [...items];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const item = out[i] as T;
      out[i] = out[j] as T;
      out[j] = item;
    }
    return out;
  }

  /** `count` different integers of 0 .. bound - 1 in the order drawn; all of them, shuffled, if `count >= bound`. */
  distinct(count: number, bound: number): number[] {
    if (count >= bound) return this.shuffled(Array.from({ length: bound }, (_, i) => i));
    const seen = new Set<number>();
    while (seen.size < count) seen.add(this.integer(bound));
    return [...seen];
  }

  /** True with this probability, of which six decimals count. */
  happens(probability: number): boolean {
    return this.integer(CHANCES) < probability * CHANCES;
  }
}

const CHANCES = 1_000_000;

const FEISTEL_ROUNDS = 6;

/**
 * A pseudo-random permutation of 0 .. size - 1, evaluated one place at a time, so that a peer finds its own part of a
 * huge data set without shuffling all of it. A balanced Feistel network with SHA-256 as round function on the next
 * even power of two, cycle-walked back into the range.
 */
export function permutation(seed: string, purpose: string, size: number): (place: number) => number {
  const halfBits = Math.max(1, Math.ceil(Math.log2(Math.max(2, size)) / 2));
  const half = 2 ** halfBits;
  const key = Buffer.from(
    hkdfSync(
      "sha256",
      Buffer.from(seed, "hex"),
      new Uint8Array(0),
      `outerloop/v1/permutation/${purpose}`,
      32,
    ),
  );
  const input = Buffer.alloc(40);
  key.copy(input, 0);
  const mix = (round: number, value: number) => {
    input.writeUInt32LE(round, 32);
    input.writeUInt32LE(value, 36);
    return createHash("sha256").update(input).digest().readUInt32LE(0) % half;
  };
  return (place) => {
    if (!Number.isInteger(place) || place < 0 || place >= size) {
      throw new RangeError(`place ${place} is outside 0 .. ${size - 1}`);
    }
    let value = place;
    do {
      let left = Math.floor(value / half);
      let right = value % half;
      for (let round = 0; round < FEISTEL_ROUNDS; round++) {
        const next = (left ^ mix(round, right)) >>> 0;
        left = right;
        right = next;
      }
      value = left * half + right;
    } while (value >= size);
    return value;
  };
}
