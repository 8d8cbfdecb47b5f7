/**
 * Facts are created once and never change, so a verified one may be kept. Bounded: the oldest entries go first.
 *
 * @module
 */
const MAX_ENTRIES = 4_096;

export class FactCache {
  readonly #entries = new Map<string, unknown>();

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
    if (this.#entries.size <= MAX_ENTRIES) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }
}
