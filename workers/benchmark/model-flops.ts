/**
 * How many floating-point operations the model needs, counted by the usual rule: two for each multiply-add.
 *
 * @module
 */
import { embeddingName, type ModelSpec, tensorsOf } from "../../schemas/index.ts";

/**
 * Forward pass, for each token: 2N + 4 layers width T. N counts the matrices that a token is multiplied with: all
 * tensors of rank 2, but the embedding only where it is the head too. The attention is computed in full and masked.
 */
export function forwardFlopsPerToken(spec: ModelSpec): number {
  const multiplied = tensorsOf(spec)
    .filter(({ name, shape }) => shape.length === 2 && (name !== embeddingName || spec.tiedHead))
    .reduce((sum, { shape }) => sum + shape.reduce((product, axis) => product * axis, 1), 0);
  return 2 * multiplied + 4 * spec.layers * spec.width * spec.sequenceLength;
}

/** A backward pass costs twice the forward pass: 6N + 12 layers width T. The optimiser is not counted. */
export function trainingFlopsPerToken(spec: ModelSpec): number {
  return 3 * forwardFlopsPerToken(spec);
}
