/**
 * Cuts windows out of a text of tokens.
 *
 * @module
 */
import { OuterloopError } from "../../schemas/errors.ts";
import type { Batch } from "./batch.ts";

/**
 * One sequence per start: the window `tokens[start .. start + length]` (both ends included, T + 1 tokens)
 * gives T inputs and the T targets one further on.
 */
export function windowsAt(
  tokens: Uint16Array | Uint32Array,
  starts: readonly number[],
  sequenceLength: number,
): Batch {
  const inputs = new Int32Array(starts.length * sequenceLength);
  const targets = new Int32Array(inputs.length);
  for (const [row, start] of starts.entries()) {
    if (!Number.isInteger(start) || start < 0 || start + sequenceLength >= tokens.length) {
      throw new OuterloopError(
        "window-out-of-range",
        `a window of ${sequenceLength} + 1 tokens from ${start} does not fit into ${tokens.length} tokens`,
        { start, sequenceLength, tokens: tokens.length },
      );
    }
    inputs.set(tokens.subarray(start, start + sequenceLength), row * sequenceLength);
    targets.set(tokens.subarray(start + 1, start + 1 + sequenceLength), row * sequenceLength);
  }
  return { inputs, targets };
}
