import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createFileQueue } from "./file-queue.ts";

describe("a queue in a folder", () => {
  let root = "";
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "outerloop-queue-"));
  });
  afterEach(() => rmSync(root, { recursive: true }));
  const open = () => createFileQueue({ root, maxReceives: 3 });

  test("what one process sends another one receives, waiting or not", async () => {
    const pending = open().receive({ leaseSeconds: 30, waitSeconds: 20 });
    await open().send("from elsewhere");
    expect(await pending).toMatchObject([{ body: "from elsewhere", receives: 1 }]);
  });

  test("a lease holds across processes, and so do its extension and its ack", async () => {
    await open().send("work");
    const [message] = await open().receive({ leaseSeconds: 30 });
    if (message === undefined) throw new Error("the message was just sent");
    expect(await open().receive({ leaseSeconds: 30 })).toEqual([]);
    await open().extend(message, 60);
    await open().ack(message);
    await expect(open().extend(message, 60)).rejects.toMatchObject({ code: "lease-lost" });
  });

  test("of many receivers on one message one gets it", async () => {
    await open().send("work");
    const got = await Promise.all(
      Array.from({ length: 20 }, () => open().receive({ max: 10, leaseSeconds: 30 })),
    );
    expect(got.flat()).toHaveLength(1);
  });

  test("an ack with a lost lease leaves the message to the consumer that has it now", async () => {
    const queue = open();
    await queue.send("work");
    const [slow] = await queue.receive({ leaseSeconds: 0 });
    const [current] = await queue.receive({ leaseSeconds: 30 });
    if (slow === undefined || current === undefined) throw new Error("the message was just sent");
    await queue.ack(slow);
    await queue.extend(current, 30);
  });

  test("a relative path is a folder like any other", async () => {
    const queue = createFileQueue({ root: `./${relative(process.cwd(), root)}/`, maxReceives: 3 });
    await queue.send("work");
    expect(await open().receive({ leaseSeconds: 30 })).toHaveLength(1);
  });

  test("dead letters outlive the process that buried them", async () => {
    const queue = open();
    await queue.send("poison");
    for (let receives = 0; receives < 3; receives += 1) {
      for (const message of await queue.receive({ leaseSeconds: 30 })) await queue.extend(message, 0);
    }
    expect(await queue.receive({ leaseSeconds: 30 })).toEqual([]);
    expect(await open().deadLetters()).toMatchObject([{ body: "poison", receives: 3, lease: "" }]);
  });

  test("a reason belongs to the burial, not to the message: one that failed leaves none", async () => {
    const queue = open();
    await queue.send("work");
    const [slow] = await queue.receive({ leaseSeconds: 0 });
    if (slow === undefined) throw new Error("the message was just sent");
    await expect(queue.bury(slow, "too late")).rejects.toMatchObject({ code: "lease-lost" });
    const [current] = await queue.receive({ leaseSeconds: 30 });
    if (current === undefined) throw new Error("nobody has the message");
    await queue.bury(current, "no such run");
    await expect(open().bury(current, "twice")).rejects.toMatchObject({ code: "lease-lost" });
    expect(await open().deadLetters()).toMatchObject([{ body: "work", receives: 2, reason: "no such run" }]);
  });
});
