import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createFileObjectStore } from "../../functions/storage/file-object-store.ts";
import { createFileQueue } from "../../functions/storage/file-queue.ts";
import { listAll } from "../../functions/storage/object-store.ts";
import { runAndKill, seeded } from "./children.ts";
import { isWhole } from "./payload.ts";

/** Each round starts four processes on one folder and kills every one of them somewhere in its work. */
const ROUNDS = 3;
const PROCESSES = 4;

describe("four processes on one folder, killed with -9", () => {
  let root = "";
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "outerloop-crash-"));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const openStore = () =>
    createFileObjectStore({ root, ticketSecret: "not used here, but long", baseUrl: "" });
  const killedRounds = async (script: string, seed: number, mostLines: number) => {
    const random = seeded(seed);
    const lines: string[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const names = Array.from({ length: PROCESSES }, (_, index) => `child${round}${index}`);
      const linesBeforeKill = () => 1 + Math.floor(random() * mostLines);
      lines.push(...(await runAndKill(script, [root], { names, linesBeforeKill })));
    }
    return lines;
  };

  test("every acknowledged object is there, whole, and had one winner", async () => {
    const lines = await killedRounds("./put-child.ts", 1, 150);
    const store = openStore();
    const etags = new Map<string, string>();
    const winners = new Map<string, string>();
    for (const line of lines) {
      const [outcome, key = "", name = "", index, etag = ""] = line.split(" ");
      expect(etags.get(key) ?? etag, "all saw the same object").toBe(etag);
      etags.set(key, etag);
      if (outcome !== "created") continue;
      expect(winners.has(key), "one winner").toBe(false);
      winners.set(key, `${name} ${index}`);
    }
    const listed: string[] = [];
    for await (const { key, etag } of listAll(store, "")) {
      listed.push(key);
      const object = await store.get(key);
      expect(isWhole(object?.bytes ?? new Uint8Array())).toBe(true);
      expect(etag).toBe(etags.get(key) ?? etag);
      const winner = winners.get(key);
      if (winner !== undefined) expect(Buffer.from(object?.bytes ?? []).toString()).toMatch(`${winner}\n`);
    }
    expect(listed).toEqual(expect.arrayContaining([...etags.keys()]));
    expect(winners.size).toBeGreaterThan(50);
  });

  test("every acknowledged swap is in the history once, and no other but one lost answer for each process", async () => {
    const acknowledged = await killedRounds("./swap-child.ts", 2, 60);
    const head = await openStore().get("head");
    const history = new TextDecoder().decode(head?.bytes).trimEnd().split("\n");
    expect(new Set(history).size).toBe(history.length);
    expect(new Set(history)).toEqual(new Set([...history, ...acknowledged]));
    // Killed after the swap and before the answer: one operation of each process may be done without being said.
    expect(history.length - acknowledged.length).toBeLessThanOrEqual(ROUNDS * PROCESSES);
    expect(acknowledged.length).toBeGreaterThan(50);
  });

  test("every acknowledged message comes, and none comes after its ack", async () => {
    const lines = await killedRounds("./queue-child.ts", 3, 150);
    const said = (what: string) =>
      lines.filter((line) => line.startsWith(`${what} `)).map((line) => line.split(" ")[1]);
    const acked = new Set(said("acked"));
    const received = new Set<string>();
    const queue = createFileQueue({ root, maxReceives: 1000 });
    for (;;) {
      // Longer than a lease that a killed process still holds.
      const messages = await queue.receive({ max: 10, leaseSeconds: 60, waitSeconds: 0.5 });
      if (messages.length === 0) break;
      for (const message of messages) {
        received.add(message.body);
        await queue.ack(message);
      }
    }
    // Killed between an ack and its line: gone, but announced.
    const accounted = new Set([...received, ...said("acking")]);
    expect(said("sent").filter((body) => !accounted.has(body ?? ""))).toEqual([]);
    expect([...received].filter((body) => acked.has(body))).toEqual([]);
    expect(acked.size).toBeGreaterThan(50);
    expect(received.size).toBeGreaterThan(20);
  });
});
