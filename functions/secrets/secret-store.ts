/**
 * The port to wherever the secrets of runs are kept. They are never in the bucket, nor in what a deploy remembers.
 *
 * @module
 */
import {
  type ApiSecrets,
  type CoordinatorSecrets,
  fromHex,
  OuterloopError,
  type SigningKey,
  signingKey,
} from "../../schemas/index.ts";
import { seedChain } from "../coordinator/seed-chain.ts";
import type { RunSecrets } from "../rounds/run-context.ts";

/** Two parts, because the API must not be able to read what the deciding functions hold. */
export interface SecretStore {
  /** Null: no secrets of this run here. */
  coordinator(run: string): Promise<CoordinatorSecrets | null>;
  api(run: string): Promise<ApiSecrets | null>;
  /** Keeps the secrets of a new run. Safe to repeat; `secrets-exist`: others are kept under this run. */
  create(run: string, secrets: CoordinatorSecrets & ApiSecrets): Promise<void>;
}

/** The key and the chain that these secrets stand for. */
export function runSecretsOf(secrets: CoordinatorSecrets): RunSecrets {
  return {
    coordinator: signingKey(fromHex(secrets.coordinatorSeed)),
    chain: seedChain(secrets.chainId, secrets.lastLink, secrets.chainLinks),
  };
}

/** The key that acknowledges commits in a run. `run-not-served`: it is not here, so none can be acknowledged. */
export async function apiKeyOf(secrets: Pick<SecretStore, "api">, run: string): Promise<SigningKey> {
  const kept = await secrets.api(run);
  if (kept !== null) return signingKey(fromHex(kept.apiSeed));
  throw new OuterloopError(
    "run-not-served",
    `this coordinator holds no key of run ${run}: ask the one that does`,
  );
}

/** `secrets-exist`, with its one wording. */
export function secretsExist(run: string): OuterloopError {
  return new OuterloopError(
    "secrets-exist",
    `other secrets of run ${run} are kept already: a run keeps its secrets for life`,
    { run },
  );
}

/** `damaged-secrets`: what is kept is not what {@link SecretStore.create} wrote. */
export function damagedSecrets(where: string, cause: unknown): OuterloopError {
  return new OuterloopError(
    "damaged-secrets",
    `${where} does not hold the secrets of a run: restore it`,
    {},
    cause,
  );
}
