/**
 * Every error that another person or program may meet carries a `code` that stays the same across versions,
 * and a message that says what was expected, what came and what to do.
 *
 * @module
 */

/** An error with a stable, machine-readable `code` (kebab-case) and the figures behind it in `details`. */
export class OuterloopError extends Error {
  readonly code: string;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, details: Record<string, unknown> = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "OuterloopError";
    this.code = code;
    this.details = details;
  }
}

/** True for an {@link OuterloopError}, of any code or of the one given. */
export function isOuterloopError(error: unknown, code?: string): error is OuterloopError {
  return error instanceof OuterloopError && (code === undefined || error.code === code);
}

/** The compiler proves that a `switch` is exhaustive; this is what runs if a value came past its type. */
export function unreachable(value: never): never {
  throw new OuterloopError(
    "unreachable",
    `a value outside its type reached a switch: ${JSON.stringify(value)}`,
  );
}
