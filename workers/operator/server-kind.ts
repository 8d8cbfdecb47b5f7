/**
 * What stands behind an endpoint, as far as it changes what can be set or expected there.
 *
 * @module
 */
import { OuterloopError } from "../../schemas/errors.ts";
import type { StorageOptions } from "./storage-options.ts";

/** `other`: speaks S3 and is none of these. */
export type ServerKind = "aws" | "minio" | "localstack" | "r2" | "other";

export const serverNames: Readonly<Record<ServerKind, string>> = {
  aws: "AWS S3",
  minio: "MinIO",
  localstack: "LocalStack",
  r2: "Cloudflare R2",
  other: "an S3-compatible server",
};

/** LocalStack's health page: LocalStack answers 200, everybody else refuses, and says who it is in a header. */
const HEALTH_PATH = "/_localstack/health";
const PATIENCE_MS = 5_000;

/** Asks the endpoint without a signature. `store-unreachable`: nobody answers; `not-a-store`: somebody else does. */
export async function identifyServer({ endpoint, profile }: StorageOptions): Promise<ServerKind> {
  if (profile === "r2") return "r2";
  if (endpoint === undefined) return "aws";
  let response: Response;
  let body: string;
  try {
    response = await fetch(`${endpoint}${HEALTH_PATH}`, { signal: AbortSignal.timeout(PATIENCE_MS) });
    body = await response.text();
  } catch (error) {
    throw unreachableAt(endpoint, error);
  }
  const { status, headers } = response;
  if (status === 200 && body.includes('"services"')) return "localstack";
  // S3's refusals are XML; a gateway before it may have words of its own for its failures.
  if (status < 500 && !body.includes("<Error>")) {
    const came = [status, headers.get("content-type")?.split(";")[0]].join(" ");
    const message = `expected a store at ${endpoint} to refuse a request as S3 does, got ${came}: is the address right?`;
    throw new OuterloopError("not-a-store", message, { endpoint, status });
  }
  const server = headers.get("server") ?? "";
  if (/minio/i.test(server)) return "minio";
  return /amazons3/i.test(server) ? "aws" : "other";
}

/** The error for an address where nobody answers. */
export function unreachableAt(endpoint: string, cause: unknown): OuterloopError {
  return new OuterloopError(
    "store-unreachable",
    `no answer from ${endpoint}: is it running, and is the address right?`,
    { endpoint },
    cause,
  );
}
