/**
 * A queue in a folder, shared by any number of processes on one machine.
 *
 * A message is a file whose name is its whole state: `{visibleAtMs}.{receives}.{id}.{lease}`. Whoever wants to change
 * it renames the file *from the name it read*; the source of a rename vanishes, so one process succeeds and the others
 * go on to the next message. A lease that runs out needs nobody to notice: from then on the name is in the past, and
 * the next receiver takes it. A killed consumer is exactly that.
 *
 * Sends are on disk when they return. Leases and acknowledgements are not synced: after a power cut a message may come
 * again, which at-least-once allows; after a killed process nothing is forgotten.
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { readdir, readFile, rename, rm, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { failedWith, ifThere, openDurableFolder } from "./durable-folder.ts";
import type { Message, Queue, QueueOptions } from "./queue.ts";
import {
  checkLease,
  checkQueueOptions,
  checkReason,
  checkReceive,
  checkSend,
  leaseLost,
} from "./queue-checks.ts";
import { createWaitingRoom, type Timer } from "./waiting.ts";

/** How soon another process's send is seen: one reading of a folder each. */
const POLL_MS = 100;

export interface FileQueueOptions extends QueueOptions {
  /** The folder; made when it is missing. One local POSIX filesystem with hard links. */
  root: string;
  /** Milliseconds since 1970 (the system's clock). All processes that share the folder need the same. */
  now?: () => number;
  /** Must go with `now` (the system's timer). */
  timer?: Timer;
}

/** What a file name says. */
interface Entry {
  visibleAtMs: number;
  receives: number;
  id: string;
  lease: string;
}

/** Opens the queue in `root`. Errors are those of the port. */
export function createFileQueue(options: FileQueueOptions): Queue {
  checkQueueOptions(options);
  const now = options.now ?? Date.now;
  const room = createWaitingRoom(options.timer);
  const folder = openDurableFolder(options.root);
  const dead = join(options.root, "dead");
  const reasons = join(options.root, "reasons");
  mkdirSync(dead, { recursive: true });
  mkdirSync(reasons, { recursive: true });
  const pathOf = (entry: Entry) => join(folder.content, nameOf(entry));

  const take = async (max: number, leaseMs: number): Promise<Message[]> => {
    const taken: Message[] = [];
    for (const entry of await entriesOf(folder.content)) {
      if (taken.length === max || entry.visibleAtMs > now()) break;
      const message = entry.receives < options.maxReceives ? await lease(entry, leaseMs) : await die(entry);
      if (message !== null) taken.push(message);
    }
    return taken;
  };

  const lease = async (entry: Entry, leaseMs: number): Promise<Message | null> => {
    const leased = {
      ...entry,
      receives: entry.receives + 1,
      lease: randomUUID(),
      visibleAtMs: now() + leaseMs,
    };
    // ENOENT: another receiver was faster.
    if (await failedWith(["ENOENT"], rename(pathOf(entry), pathOf(leased)))) return null;
    // ENOENT: this process slept for longer than the lease it had just taken.
    const body = await ifThere(readFile(pathOf(leased), "utf8"));
    return body === null ? null : { id: leased.id, body, lease: leased.lease, receives: leased.receives };
  };

  const die = async (entry: Entry): Promise<null> => {
    await ifThere(rename(pathOf(entry), join(dead, nameOf(entry))));
    return null;
  };

  /** The message that this very lease holds; null: another one does, or it is gone. */
  const held = async (message: Message): Promise<Entry | null> => {
    if (message.lease === "") return null;
    const entries = await entriesOf(folder.content);
    return entries.find((entry) => entry.id === message.id && entry.lease === message.lease) ?? null;
  };

  return {
    async send(body, sendOptions) {
      const delayMs = checkSend(body, sendOptions);
      const entry: Entry = { visibleAtMs: now() + delayMs, receives: 0, id: randomUUID(), lease: "" };
      const temporary = await folder.writeTemporary(Buffer.from(body), now);
      await folder.publish(temporary, pathOf(entry));
      await rm(temporary, { force: true });
      room.wakeAll();
    },

    async receive(receiveOptions) {
      const { max, leaseMs, waitMs } = checkReceive(receiveOptions);
      const endsAtMs = now() + waitMs;
      for (;;) {
        const taken = await take(max, leaseMs);
        if (taken.length > 0 || now() >= endsAtMs) return taken;
        await room.wait(Math.min(POLL_MS, endsAtMs - now()));
      }
    },

    async extend(message, leaseSeconds) {
      const leaseMs = checkLease(leaseSeconds);
      const entry = await held(message);
      if (entry === null || entry.visibleAtMs <= now()) throw leaseLost(message.id);
      const extended = { ...entry, visibleAtMs: now() + leaseMs };
      // ENOENT: it ran out just now and another receiver took it.
      if (await failedWith(["ENOENT"], rename(pathOf(entry), pathOf(extended)))) throw leaseLost(message.id);
      room.wakeAll();
    },

    async ack(message) {
      const entry = await held(message);
      if (entry !== null) await ifThere(unlink(pathOf(entry)));
    },

    async bury(message, reason) {
      const line = checkReason(reason);
      const entry = await held(message);
      if (entry === null || entry.visibleAtMs <= now()) throw leaseLost(message.id);
      // The reason first, under the name of this lease: a process killed here leaves a file that nobody looks for.
      await writeFile(join(reasons, `${entry.id}.${entry.lease}`), line);
      const buried = join(dead, nameOf({ ...entry, visibleAtMs: now() }));
      if (await failedWith(["ENOENT"], rename(pathOf(entry), buried))) throw leaseLost(message.id);
    },

    async deadLetters(limit = 100) {
      for (const entry of await entriesOf(folder.content)) {
        if (entry.visibleAtMs > now()) break;
        if (entry.receives >= options.maxReceives) await die(entry);
      }
      const letters = (await entriesOf(dead)).slice(0, limit).map(async (entry) => {
        const { id, receives } = entry;
        const body = await readFile(join(dead, nameOf(entry)), "utf8");
        const reason = await ifThere(readFile(join(reasons, `${id}.${entry.lease}`), "utf8"));
        return { id, body, lease: "", receives, ...(reason === null ? {} : { reason }) };
      });
      return Promise.all(letters);
    },
  };
}

/** Messages in a folder, those that became visible first at the front. */
async function entriesOf(folder: string): Promise<Entry[]> {
  return (await readdir(folder))
    .map(entryOf)
    .filter((entry) => entry !== null)
    .sort((a, b) => a.visibleAtMs - b.visibleAtMs);
}

function nameOf({ visibleAtMs, receives, id, lease }: Entry): string {
  return `${Math.ceil(visibleAtMs)}.${receives}.${id}.${lease}`;
}

function entryOf(name: string): Entry | null {
  const [visibleAtMs, receives, id, lease] = name.split(".");
  if (id === undefined || lease === undefined) return null;
  return { visibleAtMs: Number(visibleAtMs), receives: Number(receives), id, lease };
}
