/**
 * What the handlers are given on Lambda: a bucket, queues and secrets by their configuration, kept while the function is
 * warm.
 *
 * @module
 */
import { fromTemporaryCredentials } from "@aws-sdk/credential-providers";
import { OuterloopError } from "../../../schemas/index.ts";
import type { ApiEnvironment } from "../../api/environment.ts";
import { createNudger, type NudgerOptions } from "../../rounds/nudger.ts";
import { oncePerRun } from "../../rounds/once-per-run.ts";
import { openRun } from "../../rounds/run-context.ts";
import { recallHistory } from "../../rounds/write-view.ts";
import { openSecretStore } from "../../secrets/open-secret-store.ts";
import { apiKeyOf, runSecretsOf } from "../../secrets/secret-store.ts";
import { createS3ObjectStore, type S3Options } from "../../storage/s3.ts";
import { createSqsQueue } from "../../storage/sqs.ts";
import type { TriggerEnvironment } from "../environment.ts";
import type { ApiConfiguration, Configuration, QueueAddress } from "./configuration.ts";
import { log } from "./log.ts";

/**
 * The sweep comes once a minute, and remembers what it asked for while it is warm. It asks for work on shards at once
 * and then in every second sweep: a copy costs a look at the store. A copy of a judging job costs an evaluator's time,
 * and SQS brings back by itself what a dead one held: so it is sent only if nothing came of the job for three minutes,
 * which `decide` asked for when its phase was entered.
 */
const NUDGES: NudgerOptions = { resendSeconds: { shards: 100, jobs: 180 }, sentElsewhere: ["jobs"] };

/**
 * How soon a peer asks again. Each question costs two requests to S3 and some milliseconds of Lambda: 20 peers ask for
 * about a dollar a day. A round waits for half of it twice, and takes minutes at least where peers are strangers.
 */
const POLL_AFTER_SECONDS = 5;

/** A role taken by a role lasts an hour at most. Tickets are signed with a session that has 20 minutes left at least. */
const SESSION_SECONDS = 3_600;

/** Of the functions that decide, sweep and work on shards; `cachedFacts`: how many facts of a run it keeps. */
export async function openTriggerEnvironment(
  configuration: Configuration,
  { cachedFacts }: { cachedFacts?: number } = {},
): Promise<TriggerEnvironment> {
  const store = createS3ObjectStore(storeOptions(configuration));
  const { ticks, shards, jobs } = openQueues(configuration);
  const secrets = await openSecretStore(configuration.secrets, configuration.region);
  const run = oncePerRun(async (id) => {
    const kept = await secrets.coordinator(id);
    const runSecrets = kept === null ? undefined : runSecretsOf(kept);
    const context = await openRun(store, id, runSecrets, cachedFacts === undefined ? {} : { cachedFacts });
    // Not kept: they may be on their way.
    if (kept === null) throw withoutSecrets(id, configuration.secrets);
    return context;
  });
  return {
    store,
    ticks,
    shards,
    jobs,
    nudger: createNudger({ shards, jobs }, NUDGES),
    log,
    run,
    ticking: new Map(),
    openRounds: new Map(),
    owing: new Set(),
  };
}

/** Of the API: it holds the key that acknowledges, and nothing that decides. */
export async function openApiEnvironment(configuration: ApiConfiguration): Promise<ApiEnvironment> {
  const { region, uploadRole, readRole, authority, publicUrl, notificationToken } = configuration;
  const store = createS3ObjectStore({
    ...storeOptions(configuration),
    uploadCredentials: sessionOf(uploadRole, "outerloop-upload-tickets", region),
    readCredentials: sessionOf(readRole, "outerloop-read-tickets", region),
  });
  const { ticks, shards, jobs } = openQueues(configuration);
  const secrets = await openSecretStore(configuration.secrets, region);
  return {
    store,
    ticks,
    jobs,
    key: oncePerRun((run) => apiKeyOf(secrets, run)),
    authority,
    pollAfterSeconds: POLL_AFTER_SECONDS,
    holdSeconds: 0,
    run: oncePerRun(async (run) => {
      const context = await openRun(store, run);
      await recallHistory(context);
      return context;
    }),
    // Decisions are made in other processes: the head says where the run is.
    openRound: () => undefined,
    onChange: () => () => {},
    objects: { kind: "redirected", publicUrl },
    log,
    ...(notificationToken === undefined
      ? {}
      : { notifications: { queue: shards, token: notificationToken } }),
  };
}

function storeOptions({ bucket, storeEndpoint, region, profile }: Configuration): S3Options {
  return { bucket, endpoint: storeEndpoint, region, profile };
}

function openQueues({ queues, queueEndpoint, region }: Configuration) {
  const open = (address: QueueAddress) => createSqsQueue({ ...address, endpoint: queueEndpoint, region });
  return { ticks: open(queues.ticks), shards: open(queues.shards), jobs: open(queues.jobs) };
}

/** Undefined: no role is set, and the function's own credentials sign. */
function sessionOf(roleArn: string | undefined, name: string, region: string) {
  if (roleArn === undefined) return undefined;
  return fromTemporaryCredentials({
    params: { RoleArn: roleArn, RoleSessionName: name, DurationSeconds: SESSION_SECONDS },
    clientConfig: { region },
  });
}

function withoutSecrets(run: string, place: string): OuterloopError {
  return new OuterloopError(
    "run-not-served",
    `${place} holds no secrets of run ${run}, so nothing is decided in it: \`outerloop run create\` keeps them there`,
    { run },
  );
}
