/**
 * The server's clock, as far as a browser can know it. All deadlines are the store's; a laptop may be minutes off.
 *
 * @module
 */

/** How many pictures are remembered; an older, better one would hide that the server's clock was set back. */
const REMEMBERED = 20;

/** A picture is at least as old as its way here, so the least delayed of the last ones comes nearest to the truth. */
export class ServerClock {
  /** @type {number[]} */
  #offsetsMs = [];

  /**
   * @param {string} asOf when the picture was taken, by the store's clock
   * @param {number} receivedAtMs by a clock of this browser that never jumps (`performance.now()`)
   */
  observe(asOf, receivedAtMs) {
    const offsetMs = Date.parse(asOf) - receivedAtMs;
    if (!Number.isFinite(offsetMs)) return;
    this.#offsetsMs.push(offsetMs);
    if (this.#offsetsMs.length > REMEMBERED) this.#offsetsMs.shift();
  }

  /**
   * Milliseconds since 1970 by the store's clock; null before the first picture.
   *
   * @param {number} nowMs by the same clock as `receivedAtMs`
   */
  at(nowMs) {
    return this.#offsetsMs.length === 0 ? null : nowMs + Math.max(...this.#offsetsMs);
  }
}
