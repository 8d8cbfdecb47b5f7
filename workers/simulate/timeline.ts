/**
 * What happened in a world, line by line, for who wants to know why it went wrong.
 *
 * @module
 */
const MOST_LINES = 20_000;

export class Timeline {
  readonly #now: () => number;
  readonly #startMs: number;
  readonly #lines: { atMs: number; who: string; what: string }[] = [];

  constructor(now: () => number) {
    this.#now = now;
    this.#startMs = now();
  }

  note(who: string, what: string): void {
    this.#lines.push({ atMs: this.#now() - this.#startMs, who, what });
    if (this.#lines.length > MOST_LINES) this.#lines.shift();
  }

  /** Times count from the beginning of the world: `0:03:12.250  decide-2   wrote public/…/close.json`. */
  lines(): string[] {
    const width = Math.max(0, ...this.#lines.map(({ who }) => who.length));
    return this.#lines.map(({ atMs, who, what }) => `${clock(atMs)}  ${who.padEnd(width)}  ${what}`);
  }
}

/** `0:03:12.250` */
function clock(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  const two = (value: number) => String(value).padStart(2, "0");
  const part = String(ms % 1_000).padStart(3, "0");
  return `${Math.floor(seconds / 3_600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}.${part}`;
}
