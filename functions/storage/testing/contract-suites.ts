/**
 * All storage contracts on all adapters: those of this machine, and running services.
 *
 * @module
 */
import type { Exceptions } from "../contract-harness.ts";
import { describeObjectStoreContract } from "../object-store.contract.ts";
import { describeQueueContract } from "../queue.contract.ts";
import { describeQueueFaults, describeStoreFaults } from "../service-faults.contract.ts";
import { describeTicketContract } from "../tickets.contract.ts";
import { localQueues, localStores } from "./local-harnesses.ts";
import { type EventsOf, s3Harness, type TestService } from "./s3-harness.ts";
import { sqsHarness } from "./sqs-harness.ts";

/** What MinIO cannot hold. */
const MINIO: Exceptions = {
  "a key and keys below it exist side by side":
    "it keeps objects in folders, takes a key below another object's, and then never lists it; no two keys of a run stand like that",
};

const MINIO_FAULTS: Exceptions = {
  "an object encrypted with its writer's own key is unreadable, whatever is asked of it":
    "over HTTP it takes no such object; over HTTPS it does, and then answers like the others",
};

/** What LocalStack cannot hold. */
const LOCALSTACK_TICKETS: Exceptions = {
  "without a ticket nobody reads or writes":
    "it has no authorisation: it checks a signature that is there, and lets in who sends none",
};

const NO_AUTHORISATION = "it has no authorisation: whoever asks may do everything";
const LOCALSTACK_FAULTS: Exceptions = {
  "keys that nobody was given are a typed error, whatever is asked": NO_AUTHORISATION,
  "a wrong secret is a typed error, whatever is asked": NO_AUTHORISATION,
  "a role that may upload signs uploads, and is denied everything else": NO_AUTHORISATION,
};

/** The adapters that need no service. */
export function describeLocalContracts(): void {
  for (const [name, factory] of Object.entries(localStores)) {
    describeObjectStoreContract(name, factory);
    describeTicketContract(name, factory);
  }
  for (const [name, factory] of Object.entries(localQueues)) describeQueueContract(name, factory);
}

/** MinIO, with the webhook that it was started with, and LocalStack. */
export function describeServiceContracts(services: {
  minio: TestService & { webhook: Extract<EventsOf, { kind: "webhook" }> };
  localstack: TestService;
}): void {
  const { minio, localstack } = services;
  const onMinio = s3Harness(minio, minio.webhook);
  const onLocalstack = s3Harness(localstack, { kind: "sqs", service: localstack });
  // Their time is ours: what waits can wait together.
  const concurrent = true;
  describeObjectStoreContract("MinIO", onMinio, { exceptions: MINIO });
  describeObjectStoreContract("LocalStack", onLocalstack);
  describeTicketContract("MinIO", onMinio, { concurrent });
  describeTicketContract("LocalStack", onLocalstack, { concurrent, exceptions: LOCALSTACK_TICKETS });
  describeQueueContract("LocalStack", sqsHarness(localstack), { concurrent });
  describeStoreFaults("MinIO", minio, { exceptions: MINIO_FAULTS });
  describeStoreFaults("LocalStack", localstack, { exceptions: LOCALSTACK_FAULTS });
  describeQueueFaults("LocalStack", localstack);
}
