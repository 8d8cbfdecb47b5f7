/**
 * Losses as reports carry them: float32 bits, eight hex digits each, without separator.
 *
 * @module
 */

/** Packs float32 losses. */
export function packLosses(losses: ArrayLike<number>): string {
  const bytes = Buffer.alloc(4 * losses.length);
  for (let i = 0; i < losses.length; i++) bytes.writeFloatBE(losses[i] as number, 4 * i);
  return bytes.toString("hex");
}

/** Unpacks them again. */
export function unpackLosses(packed: string): number[] {
  const bytes = Buffer.from(packed, "hex");
  return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatBE(4 * i));
}

/** Number of losses in a packed string. */
export function lossCount(packed: string): number {
  return packed.length / 8;
}

/** A figure for people and JSON: what is not finite is shown as the largest number of its sign. */
export function finiteFigure(value: number): number {
  if (Number.isNaN(value)) return -Number.MAX_VALUE;
  return Math.min(Number.MAX_VALUE, Math.max(-Number.MAX_VALUE, value));
}
