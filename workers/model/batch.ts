/**
 * Batches of token sequences, checked before they reach the graph.
 *
 * @module
 */
import { OuterloopError } from "../../schemas/errors.ts";
import type { ModelSpec } from "../../schemas/model.ts";

/** B sequences of T tokens, row-major [B, T]. */
export interface Batch {
  /** Tokens read. */
  inputs: Int32Array;
  /** Tokens to predict: `targets[b, t]` follows `inputs[b, t]`. */
  targets: Int32Array;
  /** 1 where a prediction counts and 0 where not; all count unless given. */
  mask?: Float32Array;
}

/** A batch that has been checked; its arrays are copies of its own. */
export interface CheckedBatch {
  sequences: number;
  inputs: Int32Array<ArrayBuffer>;
  targets: Int32Array<ArrayBuffer>;
  mask: Float32Array<ArrayBuffer>;
}

/**
 * Copies a batch and makes sure of it: whole sequences, tokens of the vocabulary, a mask of zeros and ones
 * that leaves every sequence something to predict (a mean over nothing would pass for a loss of zero).
 */
export function checkBatch(spec: ModelSpec, batch: Batch): CheckedBatch {
  const { sequenceLength, vocabulary } = spec;
  const inputs = Int32Array.from(batch.inputs);
  const targets = Int32Array.from(batch.targets);
  const mask =
    batch.mask === undefined ? new Float32Array(inputs.length).fill(1) : Float32Array.from(batch.mask);

  const lengths = { inputs: inputs.length, targets: targets.length, mask: mask.length };
  const sequences = inputs.length / sequenceLength;
  if (
    !Number.isInteger(sequences) ||
    sequences === 0 ||
    targets.length !== inputs.length ||
    mask.length !== inputs.length
  ) {
    throw new OuterloopError(
      "batch-shape",
      `inputs, targets and mask must each hold the same number of whole sequences of ${sequenceLength} tokens; ` +
        `got ${lengths.inputs}, ${lengths.targets} and ${lengths.mask} elements`,
      { sequenceLength, ...lengths },
    );
  }
  checkTokens(inputs, vocabulary, "inputs");
  checkTokens(targets, vocabulary, "targets");
  checkMask(mask, sequenceLength);
  return { sequences, inputs, targets, mask };
}

function checkTokens(tokens: Int32Array, vocabulary: number, what: string): void {
  const index = tokens.findIndex((token) => token < 0 || token >= vocabulary);
  if (index === -1) return;
  const token = tokens[index];
  throw new OuterloopError(
    "token-out-of-range",
    `${what}[${index}] is ${token}; expected a token from 0 to ${vocabulary - 1}: was the data made with another tokenizer?`,
    { index, token, vocabulary },
  );
}

function checkMask(mask: Float32Array, sequenceLength: number): void {
  const index = mask.findIndex((weight) => weight !== 0 && weight !== 1);
  if (index !== -1) {
    throw new OuterloopError("mask-value", `mask[${index}] is ${mask[index]}; expected 0 or 1`, { index });
  }
  for (let start = 0; start < mask.length; start += sequenceLength) {
    if (mask.subarray(start, start + sequenceLength).includes(1)) continue;
    const sequence = start / sequenceLength;
    throw new OuterloopError("mask-empty", `sequence ${sequence} has every prediction masked; leave it out`, {
      sequence,
    });
  }
}
