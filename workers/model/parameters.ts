/**
 * The parameters of a Llama: named tensors, one after the other in one flat float32 vector.
 *
 * @module
 */
import { OuterloopError } from "../../schemas/errors.ts";
import type { ModelSpec, TensorSpec } from "../../schemas/model.ts";
import { tensorsOf } from "../../schemas/tensors.ts";

/** A tensor and where it lies in the flat vector, in elements. */
export interface PlacedTensor extends TensorSpec {
  offset: number;
  size: number;
}

/** The tensors with their places in the flat vector. */
export function placedTensors(spec: ModelSpec): PlacedTensor[] {
  let offset = 0;
  return tensorsOf(spec).map((tensor) => {
    const size = tensor.shape.reduce((product, axis) => product * axis, 1);
    const placed = { ...tensor, offset, size };
    offset += size;
    return placed;
  });
}

/** Length of the flat vector. */
export function parameterCount(spec: ModelSpec): number {
  return placedTensors(spec).reduce((sum, tensor) => sum + tensor.size, 0);
}

/** Views of a flat vector by tensor name: they share its memory. */
export function namedViews(spec: ModelSpec, flat: Float32Array): Map<string, Float32Array> {
  checkLength(spec, flat, "parameters");
  return new Map(
    placedTensors(spec).map(({ name, offset, size }) => [name, flat.subarray(offset, offset + size)]),
  );
}

/** A flat vector must hold exactly the model's parameters. */
export function checkLength(spec: ModelSpec, flat: Float32Array, what: string): void {
  const expected = parameterCount(spec);
  if (flat.length === expected) return;
  throw new OuterloopError(
    "parameter-length",
    `${what}: expected ${expected} elements for this model, got ${flat.length}; check that both belong to the same run`,
    { expected, actual: flat.length },
  );
}
