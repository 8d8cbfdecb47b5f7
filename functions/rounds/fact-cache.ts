/**
 * Facts are created once and never change, so a verified one may be kept. Bounded: the oldest entries go first.
 *
 * @module
 */
/** Enough for who looks at one peer at a time. */
const FEW_FACTS = 4_096;
/**
 * Enough for who decides: a round of ten thousand peers has three facts of each, and a cache that held fewer would keep
 * none of them for the next read.
 */
export const MANY_FACTS = 65_536;

export class FactCache {
  readonly #entries = new Map<string, unknown>();
  readonly #most: number;

  constructor(most = FEW_FACTS) {
    this.#most = most;
  }

  /** The cached fact of this key, or what `read` brings; null (not there yet) is never cached. */
  async through<T>(key: string, read: () => Promise<T | null>): Promise<T | null> {
    if (this.#entries.has(key)) return this.#entries.get(key) as T;
    const value = await read();
    if (value !== null) this.keep(key, value);
    return value;
  }

  /** Keeps a fact that is known to stand. */
  keep(key: string, value: unknown): void {
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#most) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }
}
