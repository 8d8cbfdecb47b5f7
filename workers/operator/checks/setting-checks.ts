/**
 * Does what `provision` or a deployment set still stand?
 *
 * @module
 */
import {
  deadLetterName,
  QUEUE_KINDS,
  type QueueKind,
  queueName,
} from "../../../functions/storage/sqs-queues.ts";
import { lifecycleSettings } from "../lifecycle.ts";
import { differingAttributes, findQueue, redrive } from "../queues.ts";
import { requireQueueService } from "../services.ts";
import { settle } from "../setting.ts";
import { BUCKET } from "./access-checks.ts";
import { type Check, failed, notApplicable, ok, warning } from "./check.ts";
import { whoSets } from "./context.ts";

const NOT_OFFERED = "not offered by this server";

export const lifecycleCheck: Check = {
  name: "lifecycle",
  service: "store",
  needs: [BUCKET],
  run: async ({ s3, storage, server }) => {
    const { bucket, endpoint = "AWS" } = storage;
    const [lifecycle] = lifecycleSettings(s3, bucket, server);
    if (lifecycle === undefined) return notApplicable(NOT_OFFERED);
    const { sign, text } = await settle(lifecycle, true, { service: "store", endpoint });
    if (sign === "=") return ok("old uploads are removed");
    if (sign === "not-offered") return notApplicable(NOT_OFFERED);
    return warning(`old uploads stay, and are paid for; expected ${text}`, whoSets(storage, "it"));
  },
};

const queueService: Check = {
  name: "queue service answers",
  service: "queue",
  needs: [],
  run: async ({ sqs, storage, server }) => {
    requireQueueService(storage, server);
    await findQueue(sqs, queueName(storage.name, "ticks"));
    return ok(`${storage.queueEndpoint ?? `AWS SQS at ${storage.region}`}, credentials accepted`);
  },
};

/** Times are a matter of who made the queue: what `provision` and a deployment to AWS choose differs. */
const queueCheck = (kind: QueueKind): Check => ({
  name: `queue ${kind}`,
  service: "queue",
  needs: [queueService.name],
  run: async ({ sqs, storage }) => {
    const [name, dead] = [queueName(storage.name, kind), deadLetterName(storage.name, kind)];
    const [queue, letters] = await Promise.all([findQueue(sqs, name), findQueue(sqs, dead)]);
    const missing = [...(queue === null ? [name] : []), ...(letters === null ? [dead] : [])];
    if (queue === null || missing.length > 0)
      return failed(`no queue ${missing.join(", no queue ")}`, whoSets(storage, "it"));
    const [astray] = differingAttributes([redrive(dead)], queue.attributes);
    if (astray !== undefined) return failed(`${name}: expected ${astray.text}`, whoSets(storage, "it"));
    return ok(`${name}, visibility ${queue.attributes.VisibilityTimeout} s, dead letters to ${dead}`);
  },
});

export const queueChecks: readonly Check[] = [queueService, ...QUEUE_KINDS.map(queueCheck)];
export const SHARDS_QUEUE = queueCheck("shards").name;
