/**
 * Every storage contract on every adapter: memory and file, the queue over HTTP, MinIO, LocalStack. With the reporter
 * `functions/storage/testing/contract-matrix.ts` it prints which of them holds what.
 */
import { inject } from "vitest";
import {
  describeLocalContracts,
  describeServiceContracts,
} from "../../functions/storage/testing/contract-suites.ts";
import type { TestService } from "../../functions/storage/testing/s3-harness.ts";
import type { Reach } from "./global-setup.ts";

function service({ endpoint, region, ...credentials }: Reach): TestService {
  return { endpoint, region, credentials };
}

const webhook = { kind: "webhook", ...inject("webhook") } as const;
describeLocalContracts();
describeServiceContracts({
  minio: { ...service(inject("minio")), webhook },
  localstack: service(inject("localStack")),
});
