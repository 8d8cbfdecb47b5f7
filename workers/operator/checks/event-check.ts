/**
 * Do uploads announce themselves in the shards queue?
 *
 * Others may be reading the queue, so the doctor puts an object every now and then, and beside each a message of its own
 * straight into the queue. If all of those come back and no announcement does, the announcements are broken; if they do not
 * come back either, somebody else is taking messages, and nothing is proven. Messages of others are held until the end
 * and given back once: receiving one again and again would bring it to the dead letters.
 *
 * @module
 */
import type { Message, Queue } from "../../../functions/storage/queue.ts";
import { keysOfNotification } from "../../../functions/storage/s3-events.ts";
import { openSqsQueues, queueName } from "../../../functions/storage/sqs-queues.ts";
import { readNotificationTarget } from "../notifications.ts";
import { findQueue } from "../queues.ts";
import type { StorageOptions } from "../storage-options.ts";
import { BUCKET } from "./access-checks.ts";
import { type Check, type Finding, failed, notApplicable, ok, warning } from "./check.ts";
import { DOCTORS_UPLOADS, type DoctorContext, scratch, someBytes, whoSets } from "./context.ts";
import { SHARDS_QUEUE } from "./setting-checks.ts";

/** Between two objects: whoever else reads the queue gets some of them, not all. */
const ROUND_SECONDS = 1.5;
/** More would have to be held while the doctor looks for its own. */
const MOST_WAITING = 50;
/** Longer than the whole examination. */
const LEASE_SECONDS = 120;
const LONG_POLL_SECONDS = 1;

export const eventCheck: Check = {
  name: "events arrive",
  service: "queue",
  needs: [BUCKET, SHARDS_QUEUE],
  run: async (context) => {
    const { s3, sqs, storage, server } = context;
    if (server === "r2")
      return notApplicable("R2 notifies Cloudflare's own queues alone; the sweep finds uploads");
    const target = await readNotificationTarget(s3, storage.bucket);
    const queue = await findQueue(sqs, queueName(storage.name, "shards"));
    const unwanted = unwantedTarget(target, storage, queue?.arn);
    if (unwanted !== null) return unwanted;
    if (target === null) return ok("the bucket tells nobody of uploads, as wanted: the sweep finds them");
    const waiting = Number(queue?.attributes.ApproximateNumberOfMessages ?? 0);
    if (waiting > MOST_WAITING) {
      return warning(
        `not tried: ${waiting} messages wait in the shards queue`,
        "start the coordinator or the functions that read it, then ask again",
      );
    }
    return conclude(await probe(context), target);
  },
};

/** What is wrong with whom the bucket tells; null: nothing. With `auto` the shards queue or any webhook will do. */
export function unwantedTarget(
  target: string | null,
  storage: StorageOptions,
  queueArn: string | undefined,
): Finding | null {
  const { notify } = storage;
  if (notify === "none") {
    if (target === null) return null;
    return warning(`uploads are announced to ${target}, expected nobody`, whoSets(storage, "that"));
  }
  if (target === null) {
    return warning(
      "the bucket tells nobody of uploads: only the sweep finds them, up to a minute later",
      whoSets(storage, "notifications"),
    );
  }
  const webhook = notify.startsWith("webhook:") ? notify.slice("webhook:".length) : null;
  const right = isWebhook(target)
    ? notify === "auto" || (webhook !== null && target.endsWith(`:${webhook}:webhook`))
    : webhook === null && target === queueArn;
  if (right) return null;
  const wanted = webhook === null ? (queueArn ?? "the shards queue") : notify;
  return failed(`uploads are announced to ${target}, not to ${wanted}`, whoSets(storage, "that"));
}

export interface Probe {
  /** From an upload to its announcement; null: none came. */
  arrivedMs: number | null;
  sent: number;
  /** Messages put straight into the queue that came back. */
  returned: number;
}

/** What follows from what came back. `target`: whom the bucket tells. */
export function conclude({ arrivedMs, sent, returned }: Probe, target: string): Finding {
  if (arrivedMs !== null) return ok(`an upload was announced after ${arrivedMs.toFixed(0)} ms`);
  if (returned < sent) {
    return warning(
      `nothing proven: ${sent - returned} of ${sent} messages were taken by somebody else who reads the shards queue`,
      "stop whoever reads it, then ask again",
    );
  }
  if (isWebhook(target)) {
    return warning(
      `no announcement came by ${target}: its route is in the coordinator, which does not seem to run`,
      "start the coordinator with OUTERLOOP_EVENTS_TOKEN, then ask again; until then the sweep finds uploads",
    );
  }
  return failed(
    `${sent} uploads, no announcement, though the bucket's rule stands`,
    "look at the queue's policy (provision or a deployment sets it) and at its key, if it is encrypted with one",
  );
}

function isWebhook(target: string): boolean {
  return target.endsWith(":webhook");
}

async function probe(context: DoctorContext): Promise<Probe> {
  const { storage, store, id, eventSeconds, signal } = context;
  const { region, queueEndpoint, name } = storage;
  const { shards } = await openSqsQueues({ region, endpoint: queueEndpoint, name });
  const inbox = openInbox(shards, id);
  const uploadedMs = new Map<string, number>();
  const arrivedMs = () => {
    const key = inbox.announced.find((one) => uploadedMs.has(one));
    return key === undefined ? null : performance.now() - (uploadedMs.get(key) ?? 0);
  };
  const probed = (arrived: number | null): Probe => ({
    arrivedMs: arrived,
    sent: uploadedMs.size,
    returned: inbox.returned,
  });
  const endMs = performance.now() + 1_000 * eventSeconds;
  try {
    while (performance.now() < endMs) {
      const key = `${scratch(context).uploads}event-${uploadedMs.size}.slc`;
      const roundEndMs = performance.now() + 1_000 * ROUND_SECONDS;
      uploadedMs.set(key, performance.now());
      await shards.send(controlMessage(id));
      await store.putIfAbsent(key, someBytes(context, key));
      do {
        signal.throwIfAborted();
        await inbox.look();
        const arrived = arrivedMs();
        if (arrived === null) continue;
        if (inbox.returned < uploadedMs.size) await inbox.look();
        return probed(arrived);
      } while (performance.now() < roundEndMs);
    }
    return probed(null);
  } finally {
    await inbox.close();
  }
}

/** Looks like the test that S3 itself sends, so that whoever else receives it lets it pass. */
function controlMessage(id: string): string {
  return JSON.stringify({ Service: "outerloop doctor", Event: "s3:TestEvent", Id: id });
}

function openInbox(queue: Queue, id: string) {
  const foreign: Message[] = [];
  const inbox = {
    /** Keys of uploads. */
    announced: [] as string[],
    /** How many of this doctor's own messages. */
    returned: 0,
    async look(): Promise<void> {
      const messages = await queue.receive({
        max: 10,
        leaseSeconds: LEASE_SECONDS,
        waitSeconds: LONG_POLL_SECONDS,
      });
      for (const message of messages) {
        const keys = keysIn(message.body);
        if (message.body === controlMessage(id)) inbox.returned++;
        inbox.announced.push(...(keys ?? []));
        // Of a doctor, this one or an earlier one, or of a store's test: nobody waits for it.
        if (keys?.every((key) => key.startsWith(DOCTORS_UPLOADS))) await queue.ack(message);
        else foreign.push(message);
      }
    },
    async close(): Promise<void> {
      // One that was lost meanwhile is back in the queue already.
      await Promise.allSettled(foreign.map((message) => queue.extend(message, 0)));
    },
  };
  return inbox;
}

/** Null: no notification. */
function keysIn(body: string): string[] | null {
  try {
    return keysOfNotification(JSON.parse(body));
  } catch {
    return null;
  }
}
