/**
 * Reads S3's event notifications, as AWS, LocalStack and MinIO write them.
 *
 * They agree on `Records[].s3.object.key`, URL-encoded with `+` for a space, and on little else: MinIO encodes slashes
 * too, puts `s3:` before the event's name, says version 2.0, and adds an outer `Key` of its own (plain, with the bucket);
 * some leave the `sequencer` out. Nothing but the key is read: an event is a hint, and the store is asked for the rest.
 *
 * @module
 */
import { z } from "zod";

/** S3 puts one record into a message; nobody puts more than this. */
const MAX_RECORDS = 1000;
/** A key has at most 1024 bytes, each at most three characters here. */
const MAX_ENCODED_KEY = 3 * 1024;

const notification = z.object({
  Records: z
    .array(
      z.object({
        eventName: z.string().max(100),
        s3: z.object({ object: z.object({ key: z.string().min(1).max(MAX_ENCODED_KEY) }) }),
      }),
    )
    .max(MAX_RECORDS),
});

/** What S3 sends once when notifications are set. */
const testEvent = z.object({ Event: z.literal("s3:TestEvent") });

/**
 * The keys of objects that were created or replaced, decoded, in the order of the records. None: a test event, or events
 * of another kind. Null: no notification of S3 at all.
 */
export function keysOfNotification(message: unknown): string[] | null {
  if (testEvent.safeParse(message).success) return [];
  const parsed = notification.safeParse(message);
  if (!parsed.success) return null;
  const keys: string[] = [];
  for (const { eventName, s3 } of parsed.data.Records) {
    if (!/^(s3:)?ObjectCreated:/.test(eventName)) continue;
    const key = decoded(s3.object.key);
    if (key === null) return null;
    keys.push(key);
  }
  return keys;
}

/** Null: a broken escape, or no UTF-8. */
function decoded(key: string): string | null {
  try {
    return decodeURIComponent(key.replaceAll("+", " "));
  } catch {
    return null;
  }
}
