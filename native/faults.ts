/**
 * What a codec says when it is given something that it cannot use.
 *
 * @module
 */
import { OuterloopError } from "../schemas/errors.ts";
import type { Vector } from "./bfloat16.ts";

export function invalidArgument(message: string): OuterloopError {
  return new OuterloopError("invalid-argument", message);
}

/** @throws `invalid-argument` */
export function checkLength(name: string, vector: { readonly length: number }, elements: number): void {
  if (vector.length === elements) return;
  throw invalidArgument(`${name} has ${vector.length} elements, expected ${elements}`);
}

/** @throws `invalid-argument` for one vector of f32 and one of bfloat16 */
export function checkOneType(theta: unknown, next: unknown): void {
  if (theta instanceof Uint16Array === next instanceof Uint16Array) return;
  throw invalidArgument("theta and next must be of one type, both f32 or both bfloat16");
}

/** True if some memory belongs to both. */
export function overlap(a: Vector, b: Vector): boolean {
  const [first, second] = a.byteOffset <= b.byteOffset ? [a, b] : [b, a];
  return a.buffer === b.buffer && first.byteOffset + first.byteLength > second.byteOffset;
}

/** @returns beta as an f32. @throws `invalid-argument` */
export function checkedBeta(given: number): number {
  const beta = Math.fround(given);
  if (beta >= 0 && beta <= 1 && !Object.is(beta, -0)) return beta;
  throw invalidArgument(`beta must lie in 0..1, not ${Object.is(given, -0) ? "-0" : given}`);
}

/** @param element - of the flat vector */
export function nonFiniteValue(element: number, delta: number, error: number): OuterloopError {
  const cause = !Number.isFinite(delta) ? "delta" : !Number.isFinite(error) ? "error-state" : "overflow";
  return new OuterloopError(
    "non-finite-value",
    `element ${element} of beta * e + delta is not finite (${cause}): delta ${delta}, e ${error}`,
    { element, cause, delta, error },
  );
}

/** @param element - of the flat vector */
export function nonFiniteResult(shard: number, element: number, value: number): OuterloopError {
  return new OuterloopError(
    "non-finite-result",
    `shard ${shard}: the outer step makes parameter ${element} ${value}`,
    { shard, element },
  );
}
