// Sends, leases and acknowledges on a queue that all children share, and says what was acknowledged to it.
import { writeSync } from "node:fs";
import { createFileQueue } from "../../functions/storage/file-queue.ts";

/** Short, so that the leases of the killed run out before the test has read the rest. */
const LEASE_SECONDS = 0.2;

const [root = "", name = ""] = process.argv.slice(2);
const queue = createFileQueue({ root, maxReceives: 1000 });
for (let index = 0; ; index += 1) {
  const body = `${name}-${index}`;
  await queue.send(body);
  writeSync(1, `sent ${body}\n`);
  // Every third turn leaves its message to others; killed consumers leave leases that must run out.
  if (index % 3 === 0) continue;
  const leaseEndsAtMs = Date.now() + LEASE_SECONDS * 1000;
  const [message] = await queue.receive({ leaseSeconds: LEASE_SECONDS });
  if (message === undefined) continue;
  writeSync(1, `acking ${message.body}\n`);
  await queue.ack(message);
  // An ack in time is final. A late one (the machine was busy) may come to nothing, because another has the lease.
  if (Date.now() < leaseEndsAtMs) writeSync(1, `acked ${message.body}\n`);
}
