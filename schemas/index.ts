/**
 * The contracts. The ground floor: nothing here imports from the rest of the project.
 *
 * @module
 */
export * from "./api.ts";
export * from "./canonical.ts";
export * from "./errors.ts";
export * from "./genesis.ts";
export * from "./keys.ts";
export * from "./messages.ts";
export * from "./model.ts";
export * from "./peer-objects.ts";
export * from "./primitives.ts";
export * from "./round-objects.ts";
export * from "./run-config.ts";
export * from "./run-result.ts";
export * from "./run-secrets.ts";
export * from "./signing.ts";
export * from "./status.ts";
export * from "./tensors.ts";
export * from "./verdict.ts";
