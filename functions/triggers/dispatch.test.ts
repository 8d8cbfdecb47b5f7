import { beforeAll, describe, expect, it } from "vitest";
import { RunInMemory } from "../coordinator/testing/run-in-memory.ts";
import type { Message } from "../storage/queue.ts";
import { dispatch } from "./dispatch.ts";

let world: RunInMemory;
beforeAll(async () => {
  world = await RunInMemory.create("dispatch");
});

const messageOf = (body: unknown, id = "1"): Message => ({
  id,
  body: typeof body === "string" ? body : JSON.stringify(body),
  lease: "lease",
  receives: 1,
});

/** Handles a batch in a process of its own; the codes of what failed, by message id. */
async function failuresOf(...messages: Message[]): Promise<Record<string, string>> {
  let failures: Awaited<ReturnType<typeof dispatch>> = [];
  const work = dispatch(world.process(0), messages).then((found) => {
    failures = found;
  });
  await world.interleaver.run([work]);
  return Object.fromEntries(
    failures.map(({ message, error }) => [message.id, (error as { code?: string }).code ?? String(error)]),
  );
}

const notification = (...keys: string[]) => ({
  Records: keys.map((key) => ({ eventName: "ObjectCreated:Put", s3: { object: { key } } })),
});
const stranger = `other-${"0".repeat(32)}`;

describe("a batch of messages", () => {
  it("one bad message fails alone, with its code", async () => {
    const failures = await failuresOf(
      messageOf({ type: "tick", run: world.run }, "good"),
      messageOf("no JSON", "text"),
      messageOf({ type: "dance" }, "unknown"),
      messageOf({ type: "tick", run: stranger }, "other run"),
      messageOf(notification("active/x", `public/${world.run}/genesis.json`), "not an upload"),
    );
    expect(failures).toEqual({
      text: "malformed-message",
      unknown: "malformed-message",
      "other run": "no-such-run",
    });
  });

  it("the store's test of its notifications means nothing", async () => {
    expect(await failuresOf(messageOf({ Service: "Amazon S3", Event: "s3:TestEvent" }))).toEqual({});
  });

  it("an upload that is gone, or that nobody committed to, is no failure", async () => {
    const key = `uploads%2F${world.run}%2F00000001%2F${"ab".repeat(32)}%2F00000.slc`;
    expect(await failuresOf(messageOf(notification(key)))).toEqual({});
  });

  it("an upload to a run that the bucket does not hold fails with its code", async () => {
    const key = `uploads/${stranger}/00000001/${"ab".repeat(32)}/00000.slc`;
    expect(await failuresOf(messageOf(notification(key)))).toEqual({ 1: "no-such-run" });
  });
});
