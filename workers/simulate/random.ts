/**
 * Randomness of a simulation: one seed, and a stream of its own for each process and each kind of fault. So a kind that is
 * switched off takes no draw from the others; what it did not do still changes when, and how often, they draw.
 *
 * @module
 */
import { createHash } from "node:crypto";

const UINT32 = 2 ** 32;

/** sfc32 (Doty-Humphrey), seeded by SHA-256 of seed and purpose. Fast; nothing here needs to be unforeseeable. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number, purpose: string) {
    const digest = createHash("sha256").update(`${seed}\n${purpose}`).digest();
    [this.#a, this.#b, this.#c] = [digest.readInt32LE(0), digest.readInt32LE(4), digest.readInt32LE(8)];
    for (let i = 0; i < 12; i++) this.uint32();
  }

  uint32(): number {
    const t = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + t;
    return t >>> 0;
  }

  /** From 0 to 1, 1 excluded. */
  fraction(): number {
    return this.uint32() / UINT32;
  }

  /** From `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.fraction() * (high - low + 1));
  }

  chance(probability: number): boolean {
    return probability > 0 && this.fraction() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.between(0, items.length - 1)] as T;
  }
}
