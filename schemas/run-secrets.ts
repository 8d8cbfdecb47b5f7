/**
 * What a run's functions hold and nobody else may see: one object for those that decide, one for the API.
 *
 * @module
 */
import { z } from "zod";
import { bytes32Hex } from "./primitives.ts";

/** Of the deciding functions: the key that signs rounds, and the seed chain that nobody may foresee. */
export const coordinatorSecrets = z.object({
  coordinatorSeed: bytes32Hex,
  chainId: bytes32Hex,
  lastLink: bytes32Hex,
  chainLinks: z.int().min(1),
});
export type CoordinatorSecrets = z.infer<typeof coordinatorSecrets>;

/** Of the API: the key that signs acknowledgements. */
export const apiSecrets = z.object({ apiSeed: bytes32Hex });
export type ApiSecrets = z.infer<typeof apiSecrets>;
